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

export function CopyButton({ text, label }: { text(): string; label: string }): VNode {
  const page = usePage();
  const [done, setDone] = useState(false);
  const copy = async () => {
    const copied = await copyText(text());
    page.tell(copied ? "Copied" : "Copying failed");
    setDone(copied);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button class="button quiet icon copy" onClick={() => void copy()} aria-label={label} title={label}>
      <Icon name={done ? "check" : "copy"} size={16} />
    </button>
  );
}
