import { Fragment, type VNode } from "preact";
import { shownStep, stepsOf } from "../notebook/keys";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const APPLE_SIGNS: Record<string, string> = { Ctrl: "⌘", Alt: "⌥", Shift: "⇧" };

/** One key combination, as it is pressed: "Ctrl Shift P", "D D". */
export function Combination({ keys }: { keys: string }): VNode {
  const steps = stepsOf(keys).map(shownStep);
  return (
    <span class="combination">
      {steps.map((step, index) => (
        <Fragment key={index}>
          {step.split(" ").map((key) => (
            <kbd key={key}>{(APPLE && APPLE_SIGNS[key]) || key}</kbd>
          ))}
        </Fragment>
      ))}
    </span>
  );
}
