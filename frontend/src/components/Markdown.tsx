import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { loadTypesetter, renderMarkdown, type Typeset } from "../outputs/markdown";

interface Props {
  source: string;
  attachments?: Record<string, unknown> | undefined;
  class?: string;
}

export function Markdown({ source, attachments, class: className = "" }: Props): VNode {
  const [typeset, setTypeset] = useState<Typeset | null>(null);
  const rendered = useMemo(() => renderMarkdown(source, attachments, typeset), [source, attachments, typeset]);
  useEffect(() => {
    if (rendered.wantsMath) void loadTypesetter().then((loaded) => setTypeset(() => loaded));
  }, [rendered.wantsMath]);
  return <div class={`prose ${className}`} dangerouslySetInnerHTML={{ __html: rendered.html }} />;
}
