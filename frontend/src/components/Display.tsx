// One display: the richest of its forms that we know how to show safely.

import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { plainTable } from "../outputs/html";
import { imageAddress, objectOf, richest, textOf, WIDGET, type Chosen, type Form } from "../outputs/mime";
import { bytesOf, copyPicture, saveBlob, saveText, tabSeparated } from "../outputs/saving";
import { readTable } from "../outputs/table";
import { isControl } from "../outputs/widgets";
import type { MimeBundle } from "../protocol";
import { CopyButton } from "./CopyButton";
import { usePage } from "./context";
import { DataTable } from "./DataTable";
import { FramedOutput } from "./FramedOutput";
import { Json } from "./Json";
import { Markdown } from "./Markdown";
import { OutputTools, ToolButton } from "./OutputTools";
import { TextOutput } from "./TextOutput";

/** Milliseconds within which a log that is replayed has told of its widgets. */
const TOLD_WITHIN = 1500;

interface Props {
  data: MimeBundle;
  metadata: Record<string, unknown>;
  execution: string;
  version: number;
}

export function DisplayOutput({ data, metadata, execution, version }: Props): VNode {
  const page = usePage();
  const without = unusable(data, (view) => page.widgets.knows(view));
  const chosen = richest(data, without);
  if (without.includes("widget")) return <KernellessWidget data={data} execution={execution} chosen={chosen} />;
  if (!chosen) return <p class="cut">This output has no form that can be shown here: {Object.keys(data).join(", ") || "it is empty"}.</p>;
  const { form, type, value } = chosen;
  switch (form) {
    case "widget":
      return <FramedOutput key={objectOf(value)!.model_id as string} kind="widget" content={objectOf(value)} execution={execution} />;
    case "vega":
    case "vegalite":
    case "plotly":
      return <FramedOutput key={version} kind={form} content={objectOf(value)} execution={execution} />;
    case "table":
      return <DataTable table={readTable(value)!} />;
    case "html":
      return <Html html={textOf(value)} execution={execution} />;
    case "script":
      return <FramedOutput key={version} kind="script" content={textOf(value)} execution={execution} />;
    case "svg":
    case "image":
      return <Image type={type} value={value} data={data} metadata={metadata} />;
    case "pdf":
      return <Pdf value={value} />;
    case "latex":
      return <Markdown class="output" source={asMath(textOf(value))} />;
    case "markdown":
      return <Markdown class="output" source={textOf(value)} />;
    case "json":
      return <Json value={value} />;
    case "text":
      return <TextOutput text={textOf(value)} />;
  }
}

/** Forms that are there, but of no use: a model that is gone, data that is none. */
function unusable(data: MimeBundle, known: (view: unknown) => boolean): Form[] {
  const without: Form[] = [];
  for (let chosen = richest(data, without); chosen; chosen = richest(data, without)) {
    if (usable(chosen, known)) return without;
    without.push(chosen.form);
  }
  return without;
}

function usable({ form, value }: Chosen, known: (view: unknown) => boolean): boolean {
  if (form === "widget") return known(value);
  if (form === "table") return readTable(value) !== null;
  return !["vega", "vegalite", "plotly"].includes(form) || objectOf(value) !== null;
}

/** A widget that no kernel knows, or none yet: of a session that lives the log tells when the page has just been loaded. */
function KernellessWidget({ data, execution, chosen }: { data: MimeBundle; execution: string; chosen: Chosen | null }): VNode {
  const page = usePage();
  const [waits, setWaits] = useState(page.session.live);
  useEffect(() => {
    const timer = waits ? setTimeout(() => setWaits(false), TOLD_WITHIN) : 0;
    return () => clearTimeout(timer);
  }, []);
  if (waits) return <div class="output" aria-busy="true" />;
  const models = page.widgets.still(data);
  return (
    <>
      {models && <FramedOutput kind="widget" content={objectOf(data[WIDGET])} execution={execution} still={models} />}
      {/* A bar of progress says all that there is to say; a control invites to be used. */}
      {(!models || isControl(models)) && (
        <div class="output">
          <p class="cut">This widget’s kernel is gone. Run the cell again to use it.</p>
          {!models && chosen?.form === "text" && <TextOutput text={textOf(chosen.value)} />}
        </div>
      )}
    </>
  );
}

/** Some libraries leave the dollars out. */
function asMath(latex: string): string {
  return /^\s*(\$|\\\[|\\\(|\\begin)/.test(latex) ? latex : `$$${latex}$$`;
}

function Html({ html, execution }: { html: string; execution: string }): VNode {
  const table = useMemo(() => plainTable(html), [html]);
  const holder = useRef<HTMLDivElement>(null);
  if (table === null) return <FramedOutput key={html} kind="html" content={html} execution={execution} />;
  const rows = () => [...holder.current!.querySelectorAll("tr")].map((row) => [...row.cells].map((cell) => cell.textContent));
  return (
    <div class="output">
      <div ref={holder} class="table-output" tabIndex={0} role="group" aria-label="Table" dangerouslySetInnerHTML={{ __html: table }} />
      <OutputTools>
        <CopyButton text={() => tabSeparated(rows())} label="Copy table" />
        <ToolButton icon="download" label="Download as HTML" run={() => saveText(html, "output.html", "text/html")} />
      </OutputTools>
    </div>
  );
}

function Image({ type, value, data, metadata }: { type: string; value: unknown; data: MimeBundle; metadata: Record<string, unknown> }): VNode {
  const page = usePage();
  const picture = useRef<HTMLImageElement>(null);
  const about = (metadata[type] ?? {}) as { alt?: unknown; width?: unknown; height?: unknown };
  const text = typeof data["text/plain"] === "string" ? data["text/plain"] : "";
  const alt = typeof about.alt === "string" ? about.alt : /^<Figure|^<IPython/.test(text) ? "Figure drawn by this cell" : text || "Picture drawn by this cell";
  const [width, height] = [about.width, about.height].map((length) => (typeof length === "number" ? length : undefined));
  const ending = type === "image/svg+xml" ? "svg" : type.slice("image/".length);
  const save = () => (ending === "svg" ? saveText(textOf(value), "figure.svg", type) : saveBlob(new Blob([bytesOf(textOf(value))], { type }), `figure.${ending}`));
  return (
    <div class="output image-output">
      <img ref={picture} src={imageAddress(type, value)} alt={alt} width={width} height={height} decoding="async" onError={() => page.tell("A picture could not be shown")} />
      <OutputTools>
        <CopyButton text={() => copyPicture(picture.current!)} label="Copy picture" />
        <ToolButton icon="download" label={`Download picture as ${ending.toUpperCase()}`} run={save} />
      </OutputTools>
    </div>
  );
}

/** A frame may not show a PDF, and our own page must not: a tab of the reader's can. */
function Pdf({ value }: { value: unknown }): VNode {
  const [address, setAddress] = useState("");
  const bytes = useMemo(() => {
    try {
      return bytesOf(textOf(value));
    } catch {
      return null;
    }
  }, [value]);
  useEffect(() => {
    if (!bytes) return;
    const made = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes]);
  if (!bytes) return <p class="cut">This PDF cannot be read: its data is damaged.</p>;
  return (
    <p class="output">
      A PDF of {Math.ceil(bytes.length / 1024).toLocaleString("en")} KB.{" "}
      <a class="button small" href={address} download="output.pdf">
        Download it
      </a>
    </p>
  );
}
