import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "./Icon";
import { usePage } from "./context";

/** Without a secure origin the clipboard is not ours to write; then the old command is. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

interface Props {
  /** A text, or what copies by itself and says whether it did. */
  text(): string | Promise<boolean>;
  label: string;
}

export function CopyButton({ text, label }: Props): VNode {
  const page = usePage();
  const [done, setDone] = useState(false);
  const copy = async () => {
    const given = text();
    const copied = typeof given === "string" ? await copyText(given) : await given;
    if (copied) page.tell("Copied");
    else page.say("The browser does not allow copying here.");
    setDone(copied);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button class="button quiet icon" onClick={() => void copy()} aria-label={label} title={label}>
      <Icon name={done ? "check" : "copy"} size={16} />
    </button>
  );
}
