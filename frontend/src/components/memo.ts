// A component that is drawn again only when its properties differ: by identity, or as the given comparison says.

import { Component, h, type ComponentChild, type FunctionComponent } from "preact";

function shallowlyEqual<P extends object>(before: P, after: P): boolean {
  const keys = Object.keys(after) as (keyof P)[];
  return keys.length === Object.keys(before).length && keys.every((key) => before[key] === after[key]);
}

export function memo<P extends object>(inner: FunctionComponent<P>, same: (before: P, after: P) => boolean = shallowlyEqual): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !same(this.props as P, next as P);
    }
    override render(props: P): ComponentChild {
      return h(inner, props);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
