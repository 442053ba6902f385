import type { VNode } from "preact";
import { useId, useState } from "preact/hooks";
import { Confirm, Dialog } from "../components/Dialog";
import type { Clash, Files } from "./files";
import { faultOf, nameOf, parentOf, plain } from "./names";

export function FilesDialogs({ files }: { files: Files }): VNode | null {
  const dialog = files.dialog.value;
  const close = () => void (files.dialog.value = null);
  switch (dialog?.kind) {
    case "file":
      return <Naming title="New file" label="Name of the file" action="Make file" value="" where={dialog.folder} done={(name) => void files.makeFile(dialog.folder, name)} close={close} />;
    case "folder":
      return <Naming title="New folder" label="Name of the folder" action="Make folder" value="" where={dialog.folder} done={(name) => void files.makeFolder(dialog.folder, name)} close={close} />;
    case "rename":
      return <Naming title={`Rename ${plain(dialog.entry.name)}`} label="New name" action="Rename" value={plain(dialog.entry.name)} where={parentOf(dialog.entry.path)} done={(name) => void files.rename(dialog.entry, name)} close={close} />;
    case "move":
      return <Moving files={files} paths={dialog.paths} close={close} />;
    case "delete": {
      const [first] = dialog.paths;
      const folder = dialog.paths.some((path) => files.entryOf(path)?.type === "directory");
      const title = dialog.paths.length === 1 ? `Delete ${plain(nameOf(first!))}?` : `Delete ${dialog.paths.length} files?`;
      return (
        <Confirm title={title} action="Delete" danger confirm={() => void files.remove(dialog.paths)} close={close}>
          <p>{folder ? "Folders are deleted with everything in them." : dialog.paths.length === 1 ? "The file is deleted." : "The files are deleted."} This cannot be undone.</p>
        </Confirm>
      );
    }
    case "clash":
      return <Clashing names={dialog.names} choose={dialog.choose} close={close} />;
    default:
      return null;
  }
}

interface NamingProps {
  title: string;
  label: string;
  action: string;
  value: string;
  where: string;
  done(name: string): void;
  close(): void;
}

function Naming({ title, label, action, value, where, done, close }: NamingProps): VNode {
  const [name, setName] = useState(value);
  const [fault, setFault] = useState("");
  const id = useId();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wrong = faultOf(name);
    if (wrong) return setFault(wrong);
    close();
    done(name);
  };
  return (
    <Dialog title={title} close={close}>
      <form onSubmit={submit}>
        <label>
          {label}
          <input value={name} onInput={(event) => (setName(event.currentTarget.value), setFault(""))} autofocus autocomplete="off" spellcheck={false} aria-invalid={fault !== ""} aria-describedby={`${id}-fault`} />
        </label>
        <p id={`${id}-fault`} class="field-fault" role="alert">{fault}</p>
        <p class="muted">In {where ? plain(where) : "the work folder"}.</p>
        <div class="actions">
          <button class="button" type="button" onClick={close}>
            Cancel
          </button>
          <button class="button primary" type="submit">
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** For those who do not drag: any folder that is known. */
function Moving({ files, paths, close }: { files: Files; paths: string[]; close(): void }): VNode {
  const known = [...new Set([...files.folders.value.values()].flatMap(({ entries }) => entries.filter((entry) => entry.type === "directory").map((entry) => entry.path)))].sort();
  const [folder, setFolder] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    close();
    void files.move(paths, folder);
  };
  return (
    <Dialog title={paths.length === 1 ? `Move ${plain(nameOf(paths[0]!))}` : `Move ${paths.length} files`} close={close}>
      <form onSubmit={submit}>
        <label>
          To the folder
          <select value={folder} onChange={(event) => setFolder(event.currentTarget.value)} autofocus>
            <option value="">The work folder</option>
            {known.map((path) => (
              <option key={path} value={path}>{plain(path)}</option>
            ))}
          </select>
        </label>
        <div class="actions">
          <button class="button" type="button" onClick={close}>
            Cancel
          </button>
          <button class="button primary" type="submit">
            Move
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Clashing({ names, choose, close }: { names: string[]; choose(clash: Clash): void; close(): void }): VNode {
  const decide = (clash: Clash) => {
    close();
    choose(clash);
  };
  const [first] = names;
  return (
    <Dialog title={names.length === 1 ? `${plain(first!)} is there already` : `${names.length} files are there already`} close={() => decide("skip")}>
      {names.length > 1 && <p class="muted clash-names">{names.slice(0, 8).map(plain).join(", ")}{names.length > 8 && ` and ${names.length - 8} more`}</p>}
      <p>Replace what is there, keep both, or leave these out?</p>
      <div class="actions">
        <button class="button" onClick={() => decide("skip")}>
          Leave out
        </button>
        <button class="button danger-solid" onClick={() => decide("replace")}>
          Replace
        </button>
        <button class="button primary" onClick={() => decide("both")} autofocus>
          Keep both
        </button>
      </div>
    </Dialog>
  );
}
