// The small buttons at the corner of an output: seen on hover and focus, always there for touch and for readers.

import type { ComponentChildren, VNode } from "preact";
import { Icon, type IconName } from "./Icon";

export function OutputTools({ children }: { children: ComponentChildren }): VNode {
  return <div class="output-tools">{children}</div>;
}

interface ToolProps {
  icon: IconName;
  label: string;
  run(): void;
}

export function ToolButton({ icon, label, run }: ToolProps): VNode {
  return (
    <button class="button quiet icon" onClick={run} aria-label={label} title={label}>
      <Icon name={icon} size={16} />
    </button>
  );
}
