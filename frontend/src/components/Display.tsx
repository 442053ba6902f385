// One display: the richest of its forms that we know how to show safely.

import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { plainTable } from "../outputs/html";
import { LineTerminal } from "../outputs/lines";
import { imageAddress, richest, textOf } from "../outputs/mime";
import type { MimeBundle } from "../protocol";
import { CopyButton } from "./CopyButton";
import { FramedOutput } from "./FramedOutput";
import { Json } from "./Json";
import { Markdown } from "./Markdown";
import { StyledLines } from "./StyledLines";

interface Props {
  data: MimeBundle;
  metadata: Record<string, unknown>;
  version: number;
}

export function DisplayOutput({ data, metadata, version }: Props): VNode {
  const type = richest(data);
  const value = type ? data[type] : null;
  switch (type) {
    case null:
      return <p class="cut">This output has no form that can be shown here: {Object.keys(data).join(", ") || "it is empty"}.</p>;
    case "text/html":
      return <Html html={textOf(value)} />;
    case "application/javascript":
    case "text/javascript":
      return <FramedOutput key={version} script={textOf(value)} />;
    case "image/svg+xml":
    case "image/png":
    case "image/jpeg":
    case "image/gif":
    case "image/webp":
      return <Image type={type} value={value} data={data} metadata={metadata} />;
    case "text/latex":
      return <Markdown class="output" source={asMath(textOf(value))} />;
    case "text/markdown":
      return <Markdown class="output" source={textOf(value)} />;
    case "application/json":
      return <Json value={value} />;
    default:
      return <PlainText text={textOf(value)} />;
  }
}

/** Some libraries leave the dollars out. */
function asMath(latex: string): string {
  return /^\s*(\$|\\\[|\\\(|\\begin)/.test(latex) ? latex : `$$${latex}$$`;
}

function Html({ html }: { html: string }): VNode {
  const table = useMemo(() => plainTable(html), [html]);
  if (table === null) return <FramedOutput key={html} html={html} />;
  return <div class="output table-output" tabIndex={0} role="group" aria-label="Table" dangerouslySetInnerHTML={{ __html: table }} />;
}

function Image({ type, value, data, metadata }: { type: string; value: unknown; data: MimeBundle; metadata: Record<string, unknown> }): VNode {
  const about = (metadata[type] ?? {}) as { alt?: unknown; width?: unknown; height?: unknown };
  const text = typeof data["text/plain"] === "string" ? data["text/plain"] : "";
  const alt = typeof about.alt === "string" ? about.alt : /^<Figure|^<IPython/.test(text) ? "Figure drawn by this cell" : text || "Picture drawn by this cell";
  const [width, height] = [about.width, about.height].map((length) => (typeof length === "number" ? length : undefined));
  return (
    <div class="output image-output">
      <img src={imageAddress(type, value)} alt={alt} width={width} height={height} decoding="async" />
    </div>
  );
}

function PlainText({ text }: { text: string }): VNode {
  const lines = useMemo(() => {
    const terminal = new LineTerminal();
    terminal.write(text);
    return terminal.lines;
  }, [text]);
  return (
    <div class="output stream-output">
      <StyledLines lines={lines} />
      <CopyButton text={() => text} label="Copy output" />
    </div>
  );
}
