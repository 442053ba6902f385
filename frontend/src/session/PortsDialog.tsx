// Opens a server that runs in the sandbox: those that listen are listed, another is typed.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../api";
import { usePage } from "../components/context";
import { Dialog } from "../components/Dialog";
import { listPorts, openPreview, readPlace, type Place } from "./ports";

const LOOK_EVERY = 2000;

export function PortsDialog({ close }: { close(): void }): VNode {
  const { session } = usePage();
  const id = session.id.value;
  const leased = session.view.value.state === "leased";
  const [ports, setPorts] = useState<number[] | null>(null);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    if (!id || !leased) return;
    let wanted = true;
    const look = () =>
      listPorts(id).then(
        (found) => wanted && setPorts(found),
        (error: ApiError) => wanted && setProblem(error.message),
      );
    void look();
    const timer = setInterval(look, LOOK_EVERY);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [id, leased]);

  const open = async (place: Place) => {
    const wrong = await openPreview(id!, place);
    setProblem(wrong);
    if (!wrong) close();
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const place = readPlace(new FormData(event.currentTarget as HTMLFormElement).get("port") as string);
    if (place) void open(place);
    else setProblem("Give a port, as 8000, or an address that a program of yours printed, as http://127.0.0.1:8000.");
  };

  return (
    <Dialog title="Open a port of the sandbox" close={close}>
      <p>A web page that your code or a program in the terminal serves opens in a new tab. It has an address of its own, and nothing of your account reaches it.</p>
      {!id || !leased ? (
        <p class="muted">{session.live ? "The session is being started…" : "There is no session that runs. Run a cell to start one."}</p>
      ) : (
        <>
          {ports?.length ? (
            <ul class="ports" aria-label="Ports that listen">
              {ports.map((port) => (
                <li key={port}>
                  <button class="button" onClick={() => void open({ port, path: "/" })}>
                    Open port {port}
                  </button>
                </li>
              ))}
            </ul>
          ) : (
            <p class="muted">
              {ports ? "Nothing listens yet. " : "Looking… "}
              To try it, type <code>python -m http.server 8000</code> in the terminal: it serves the files of the sandbox.
            </p>
          )}
          <form class="row" onSubmit={submit}>
            <label class="grow">
              Another port
              <input name="port" inputMode="url" autocomplete="off" placeholder="8000" />
            </label>
            <button class="button">Open</button>
          </form>
        </>
      )}
      {problem && (
        <p class="notice error" role="alert">
          {problem}
        </p>
      )}
    </Dialog>
  );
}
