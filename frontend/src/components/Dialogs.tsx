import type { VNode } from "preact";
import { SHORTCUTS } from "../notebook/keys";
import { usePage } from "./context";
import { Confirm, Dialog } from "./Dialog";

export function Dialogs(): VNode | null {
  const page = usePage();
  const close = () => void (page.dialog.value = null);
  switch (page.dialog.value) {
    case "help":
      return <Help close={close} />;
    case "restart":
      return (
        <Confirm title="Restart the kernel?" action="Restart" danger confirm={() => void page.restart(false)} close={close}>
          <p>Variables, imports and whatever runs now are lost. Files and open terminals stay, and so do the outputs on this page.</p>
        </Confirm>
      );
    case "restartAndRun":
      return (
        <Confirm title="Restart and run all cells?" action="Restart and run all" danger confirm={() => void page.restart(true)} close={close}>
          <p>Variables and whatever runs now are lost; then every code cell runs again, from the first. It stops at the first error.</p>
        </Confirm>
      );
    case "end":
      return (
        <Confirm title="End this session?" action="End session" danger confirm={() => void page.session.end()} close={close}>
          <p>Its sandbox is destroyed: variables and terminals are lost. The notebook and its outputs stay, and so do files that are <strong>kept between sessions</strong>: see the foot of the Files panel.</p>
        </Confirm>
      );
    default:
      return null;
  }
}

function Help({ close }: { close(): void }): VNode {
  return (
    <Dialog title="Keys" wide close={close}>
      <div class="shortcuts">
        {SHORTCUTS.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map(([keys, what]) => (
                <div key={keys}>
                  <dt>
                    {keys.split(" ").map((key) => (key === "or" ? " or " : <><kbd>{key.replace(/,$/, "")}</kbd>{key.endsWith(",") && ", "}</>))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
