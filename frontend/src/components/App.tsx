import { lazy, Suspense } from "./lazy";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { ChoiceDialog } from "../history/SaveBanner";
import { pressKey } from "../notebook/commands";
import type { Page } from "../notebook/page";
import { TerminalPlace } from "../terminal/TerminalPlace";
import { follow } from "../outputs/links";
import { KeyRow } from "../touch/KeyRow";
import { followViewport } from "../touch/viewport";
import { Cells } from "./Cells";
import { PageProvider } from "./context";
import { Dialogs } from "./Dialogs";
import { Icon } from "./Icon";
import { SidePanel } from "./panels";
import { LanguageDialog } from "../languages/LanguageDialog";
import { Toolbar } from "./Toolbar";

const TerminalDock = lazy(() => import("../terminal/TerminalDock").then((module) => module.TerminalDock));

export function App({ page }: { page: Page }): VNode {
  usePageKeys(page);
  useEffect(followViewport, []);
  useFocusBack(page);
  return (
    <PageProvider value={page}>
      <Toolbar />
      <div class="work">
        <Cells />
        <SidePanel page={page} />
      </div>
      {page.terminalOpen.value && <Suspense load={TerminalDock} meanwhile={<TerminalPlace />} />}
      <KeyRow />
      <Dialogs />
      <ChoiceDialog />
      <LanguageDialog />
      <Toasts page={page} />
      <Announcer page={page} />
    </PageProvider>
  );
}

/** A panel that is closed from inside takes the focus with it, and a dialog may have been opened from a menu that is shut
    by then: in both cases the current cell has the focus, not nobody. */
function useFocusBack(page: Page): void {
  useEffect(() => {
    if (page.dialog.value === null && document.activeElement === document.body) page.go(page.notebook.indexOf(page.current.id));
  }, [page.panel.value, page.terminalOpen.value, page.dialog.value]);
}

/** Keys that mean the same everywhere on the page. */
function usePageKeys(page: Page): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!event.defaultPrevented && !event.isComposing) pressKey(event, page, ["page"]);
    };
    const click = (event: MouseEvent) => follow(page, event);
    const leave = (event: BeforeUnloadEvent) => {
      if (page.atRisk) event.preventDefault();
    };
    const hide = () => document.visibilityState === "hidden" && void page.autosave.flush();
    addEventListener("keydown", press);
    addEventListener("click", click);
    addEventListener("auxclick", click);
    const hidden = () => page.autosave.leave();
    addEventListener("beforeunload", leave);
    addEventListener("pagehide", hidden);
    document.addEventListener("visibilitychange", hide);
    return () => {
      removeEventListener("keydown", press);
      removeEventListener("click", click);
      removeEventListener("auxclick", click);
      removeEventListener("beforeunload", leave);
      removeEventListener("pagehide", hidden);
      document.removeEventListener("visibilitychange", hide);
    };
  }, []);
}

function Toasts({ page }: { page: Page }): VNode {
  return (
    <div class="toasts" role="status">
      {page.toasts.value.map((toast) => (
        <div class="toast" key={toast.id}>
          <span class="grow">{toast.text}</span>
          {toast.action && (
            <button
              class="button small"
              onClick={() => {
                toast.action!.run();
                page.dismiss(toast.id);
              }}
            >
              {toast.action.label}
            </button>
          )}
          <button class="button quiet icon" aria-label="Dismiss" onClick={() => page.dismiss(toast.id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}

/** For people who listen: what finished or failed, never every line of output. */
function Announcer({ page }: { page: Page }): VNode {
  return (
    <div class="vh" role="log" aria-live="polite" aria-label="Progress">
      {page.announced.value.slice(-5).map((words, index) => (
        <p key={page.announced.value.length - 5 + index}>{words}</p>
      ))}
    </div>
  );
}
