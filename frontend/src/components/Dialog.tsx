import type { ComponentChildren, VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "./Icon";

interface Props {
  title: string;
  children: ComponentChildren;
  wide?: boolean;
  close(): void;
}

/** The browser's own modal: it keeps the focus inside, closes on Escape and gives the focus back. */
export function Dialog({ title, children, wide = false, close }: Props): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const shown = dialog.current!;
    shown.showModal();
    return () => {
      // While it is open, nothing else can have the focus. Its event comes when another dialog may be open already.
      shown.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "wide" : ""} aria-label={title} onClose={(event) => event.currentTarget.isConnected && close()} onClick={(event) => event.target === dialog.current && close()}>
      <div class="dialog-inner">
        <div class="dialog-head">
          <h2>{title}</h2>
          <button class="button quiet icon" aria-label="Close" onClick={close}>
            <Icon name="close" size={16} />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  action: string;
  danger?: boolean;
  confirm(): void;
  close(): void;
}

export function Confirm({ title, children, action, danger = false, confirm, close }: ConfirmProps): VNode {
  const act = () => {
    close();
    confirm();
  };
  return (
    <Dialog title={title} close={close}>
      {children}
      <div class="actions">
        <button class="button" onClick={close}>
          Cancel
        </button>
        <button class={`button ${danger ? "danger-solid" : "primary"}`} onClick={act} autofocus>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
