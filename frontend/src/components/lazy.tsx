// Parts of the page that are loaded when they are first opened.

import type { ComponentChildren, FunctionComponent, VNode } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Lazy {
  component: FunctionComponent | null;
  load(): Promise<FunctionComponent>;
}

export function lazy(load: () => Promise<FunctionComponent>): Lazy {
  const part: Lazy = { component: null, load: async () => (part.component ??= await load()) };
  return part;
}

/** `meanwhile`: what stands in its place until it is there. */
export function Suspense({ load, meanwhile = null }: { load: Lazy; meanwhile?: ComponentChildren }): VNode | null {
  const [, setReady] = useState(load.component !== null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    load.load().then(
      () => setReady(true),
      () => setFailed(true),
    );
  }, []);
  if (failed) return <p class="notice error" role="alert">This part of the page could not be loaded. Load the page again.</p>;
  const Part = load.component;
  return Part ? <Part /> : <>{meanwhile}</>;
}
