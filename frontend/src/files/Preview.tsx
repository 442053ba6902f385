// One file over the page: shown as what it is, and edited where it is text.

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { Confirm } from "../components/Dialog";
import { Icon } from "../components/Icon";
import { Json } from "../components/Json";
import { Markdown } from "../components/Markdown";
import { size } from "../session/words";
import { read, type Content } from "./content";
import type { Files } from "./files";
import { imageType, kindOf, readingHint, textOf, type Kind, type Text } from "./kinds";
import { plain } from "./names";
import { NotebookFile } from "./NotebookFile";
import { TableFile } from "./TableFile";
import { TextFile, type Editing } from "./TextFile";
import { Name } from "./Tree";
import type { Entry } from "./tree";

const MOST: Record<Kind, number> = { table: 2 << 20, image: 32 << 20, markdown: 2 << 20, notebook: 16 << 20, json: 4 << 20, text: 2 << 20, binary: 0 };

export function Preview({ files, entry }: { files: Files; entry: Entry }): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [kind, setKind] = useState<Kind>(kindOf(plain(entry.name)));
  const [content, setContent] = useState<Content | null>(null);
  const [problem, setProblem] = useState("");
  const [leaving, setLeaving] = useState(false);
  const editing = useRef<Editing | null>(null);
  const unsaved = files.unsaved.value;

  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current!.showModal();
    return () => {
      files.unsaved.value = false;
      before?.focus?.();
    };
  }, []);
  const load = async () => {
    setContent(null);
    setProblem("");
    if (MOST[kind] === 0) return;
    try {
      setContent(await read(files.addressOf(entry.path), MOST[kind]));
    } catch (error) {
      setProblem((error as ApiError).message);
    }
  };
  useEffect(() => void load(), [entry.path]);

  const close = () => (unsaved ? setLeaving(true) : leave());
  const leave = () => {
    files.preview.value = null;
    void files.refresh();
  };
  const keys = (event: KeyboardEvent) => {
    event.stopPropagation(); // the page's own keys are not meant
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      void editing.current?.save();
    }
  };
  const text = content && kind !== "image" ? textOf(content.bytes, content.cut) : null;
  const asText = kind !== "text" && kind !== "image" && text !== null && !content!.cut;
  return (
    <dialog ref={dialog} class="preview" aria-label={`File ${plain(entry.name)}`} onKeyDown={keys} onCancel={(event) => (event.preventDefault(), close())}>
      <header class="preview-bar">
        <h2 class="grow">
          <Name name={entry.name} />
          {unsaved && <span class="unsaved"> · not saved</span>}
        </h2>
        {kind === "text" && text && !content!.cut && (
          <button class="button small primary" disabled={!unsaved} onClick={() => void editing.current?.save()}>
            Save
          </button>
        )}
        {asText && (
          <button class="button small" onClick={() => setKind("text")}>
            <Icon name="edit" size={16} /> Edit
          </button>
        )}
        <button class="button small" onClick={() => void files.takeFile(entry)}>
          <Icon name="download" size={16} /> Download
        </button>
        <button class="button quiet icon" aria-label="Close the file" onClick={close}>
          <Icon name="close" size={16} />
        </button>
      </header>
      <div class="preview-body" tabIndex={-1}>
        {problem && <p class="notice error" role="alert">{problem}</p>}
        {!problem && !content && MOST[kind] > 0 && <p class="muted pad" role="status">Loading…</p>}
        {content?.cut && kind !== "table" && <p class="notice">Only the first {size(content.bytes.length)} of {size(entry.size)} are shown, and nothing can be edited. Download the file for all of it.</p>}
        {MOST[kind] === 0 && <Unshown files={files} entry={entry} />}
        {content && <Body files={files} entry={entry} kind={kind} content={content} text={text} editing={editing} mark={(edited) => void (files.unsaved.value = edited)} reload={load} />}
      </div>
      {leaving && (
        <Confirm title="Leave without saving?" action="Discard changes" danger confirm={leave} close={() => setLeaving(false)}>
          <p>What you changed in {plain(entry.name)} is not saved.</p>
        </Confirm>
      )}
    </dialog>
  );
}

interface BodyProps {
  files: Files;
  entry: Entry;
  kind: Kind;
  content: Content;
  text: Text | null;
  editing: { current: Editing | null };
  mark(unsaved: boolean): void;
  reload(): Promise<void>;
}

function Body({ files, entry, kind, content, text, editing, mark, reload }: BodyProps): VNode {
  if (kind === "image") return <Picture entry={entry} content={content} />;
  if (!text) return <Unshown files={files} entry={entry} />;
  if (kind === "table") return <TableFile name={plain(entry.name)} text={text.text} cut={content.cut} />;
  if (kind === "markdown") return <Markdown source={text.text} class="preview-prose" />;
  if (kind === "notebook" && !content.cut) return <NotebookFile files={files} entry={entry} text={text.text} />;
  if (kind === "json" && !content.cut) {
    try {
      return <Json value={JSON.parse(text.text)} />;
    } catch {
      // It is shown as the text that it is.
    }
  }
  return <TextFile files={files} entry={entry} text={text} tag={content.tag} readOnly={content.cut} editing={editing} mark={mark} reload={reload} />;
}

/** A picture is only ever drawn: an SVG in an <img> runs nothing and loads nothing. */
function Picture({ entry, content }: { entry: Entry; content: Content }): VNode {
  const [address, setAddress] = useState("");
  const [broken, setBroken] = useState(false);
  const [pixels, setPixels] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([content.bytes], { type: imageType(entry.name) }));
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [content]);
  if (broken || content.cut) return <p class="muted pad">This picture cannot be shown. Download it to open it with another program.</p>;
  return (
    <figure class="preview-picture">
      {address && <img src={address} alt={`The picture ${plain(entry.name)}`} onError={() => setBroken(true)} onLoad={(event) => setPixels(`${event.currentTarget.naturalWidth} × ${event.currentTarget.naturalHeight}`)} />}
      <figcaption class="muted">{pixels && `${pixels}, `}{size(entry.size)}</figcaption>
    </figure>
  );
}

function Unshown({ files, entry }: { files: Files; entry: Entry }): VNode {
  const hint = readingHint(entry.path, files.page.settings.language);
  return (
    <div class="pad">
      <p>This file is not text ({size(entry.size)}), so it is not shown here. Download it, or read it by code.</p>
      {hint && <pre class="preview-hint">{hint}</pre>}
    </div>
  );
}
