import type { VNode } from "preact";
import { KeyList } from "../commands/KeyList";
import { Palette } from "../commands/Palette";
import { PortsDialog } from "../session/PortsDialog";
import { usePage } from "./context";
import { Confirm } from "./Dialog";
import { lazy, Suspense } from "./lazy";

const ShareDialog = lazy(() => import("../live/ShareDialog").then((module) => module.ShareDialog));

export function Dialogs(): VNode | null {
  const page = usePage();
  const close = () => void (page.dialog.value = null);
  switch (page.dialog.value) {
    case "share":
      return <Suspense load={ShareDialog} />;
    case "keys":
      return <KeyList />;
    case "palette":
      return <Palette />;
    case "ports":
      return <PortsDialog close={close} />;
    case "restart":
      return (
        <Confirm title="Restart the kernel?" action="Restart" danger confirm={() => void page.restart(false)} close={close}>
          <p>Variables, imports and whatever runs now are lost. Files and open terminals stay, and so do the outputs on this page.</p>
        </Confirm>
      );
    case "restartAndRun":
      return (
        <Confirm title="Restart and run all cells?" action="Restart and run all" danger confirm={() => void page.restart(true)} close={close}>
          <p>Variables and whatever runs now are lost; then every code cell runs again, from the first. {page.running.stopsOnError && "It stops at the first error."}</p>
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
