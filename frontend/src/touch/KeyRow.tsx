// A row of keys above the on-screen keyboard, while an editor or a terminal has the focus on a device that is touched.

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { IN_EDITOR, IN_TERMINAL, placeOf, PLAIN, press, type Place, type TouchKey } from "./keys";

const touched = matchMedia("(pointer: coarse)");

export function KeyRow(): VNode | null {
  const [place, setPlace] = useState<Place | null>(null);
  const [control, setControl] = useState(false);

  useEffect(() => {
    // After the focus has arrived: between two editors it is nowhere for a moment.
    const look = () => setTimeout(() => setPlace(touched.matches ? placeOf(document.activeElement) : null));
    document.addEventListener("focusin", look);
    document.addEventListener("focusout", look);
    look();
    return () => {
      document.removeEventListener("focusin", look);
      document.removeEventListener("focusout", look);
    };
  }, []);

  if (!place) return null;
  const keys = control ? (place === "terminal" ? IN_TERMINAL : IN_EDITOR) : PLAIN;
  const act = (key: TouchKey) => {
    if (document.activeElement) press(document.activeElement, key);
    if (key.control) setControl(false);
  };
  // A press leaves the focus, and with it the keyboard, where it is.
  return (
    <div class="key-row" role="toolbar" aria-label="Keys" onPointerDown={keep} onMouseDown={keep}>
      <button tabIndex={-1} aria-pressed={control} onClick={() => setControl(!control)}>
        Ctrl
      </button>
      {keys.map((key) => (
        <button key={key.name} tabIndex={-1} aria-label={key.name} onClick={() => act(key)}>
          {key.label}
        </button>
      ))}
    </div>
  );
}

function keep(event: Event): void {
  event.preventDefault();
}
