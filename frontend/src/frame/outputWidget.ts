// The Output widget: what code printed while it was the current one, drawn by few and simple rules.

import { DOMWidgetModel, DOMWidgetView } from "@jupyter-widgets/base";
import { PLAIN, presentation } from "../outputs/ansi";
import { LineTerminal } from "../outputs/lines";
import { imageAddress, objectOf, richest, textOf } from "../outputs/mime";
import type { FrameManager } from "./widgets";

type Output = Record<string, unknown> & { output_type?: string };

export class OutputModel extends DOMWidgetModel {
  override defaults(): Record<string, unknown> {
    return { ...super.defaults(), _model_name: "OutputModel", _view_name: "OutputView", _model_module: "@jupyter-widgets/output", _view_module: "@jupyter-widgets/output", msg_id: "", outputs: [] };
  }
}

export class OutputView extends DOMWidgetView {
  private turn = 0;

  override render(): void {
    super.render();
    this.el.classList.add("jupyter-widgets", "widget-output");
    this.listenTo(this.model, "change:outputs", this.draw);
    this.draw();
  }

  private draw(): void {
    const outputs = this.model.get("outputs") as unknown;
    // Kept at its height while it is filled anew: what is below must not jump.
    this.el.style.minHeight = `${this.el.offsetHeight}px`;
    this.el.replaceChildren();
    const charts: Promise<void>[] = [];
    for (const output of Array.isArray(outputs) ? (outputs as Output[]) : []) this.el.append(this.drawn(output, charts));
    const turn = ++this.turn;
    const release = () => turn === this.turn && requestAnimationFrame(() => (this.el.style.minHeight = ""));
    void Promise.allSettled(charts).then(release);
  }

  private drawn(output: Output, charts: Promise<void>[]): HTMLElement {
    if (output.output_type === "stream") return text(textOf(output.text), output.name === "stderr" ? "stderr" : "");
    if (output.output_type === "error") return text(Array.isArray(output.traceback) ? output.traceback.join("\n") : `${output.ename}: ${output.evalue}`, "error");
    const data = (output.data ?? {}) as Record<string, unknown>;
    const chosen = richest(data, ["table", "latex", "markdown", "pdf", "script"]);
    const element = document.createElement("div");
    const manager = this.model.widget_manager as unknown as FrameManager;
    switch (chosen?.form) {
      case "plotly":
      case "vega":
      case "vegalite":
        charts.push(manager.chart(element, chosen.form, objectOf(chosen.value) ?? {}).catch((error: Error) => void (element.textContent = error.message)));
        return element;
      case "widget":
        manager.show(String((chosen.value as { model_id?: unknown }).model_id), element).catch((error: Error) => (element.textContent = error.message));
        return element;
      case "html":
        element.append(document.createRange().createContextualFragment(textOf(chosen.value)));
        return element;
      case "svg":
      case "image": {
        const picture = element.appendChild(document.createElement("img"));
        picture.src = imageAddress(chosen.type, chosen.value);
        picture.alt = "Figure drawn by this cell";
        return element;
      }
      default:
        return text(chosen ? textOf(chosen.value) : `This output has no form that can be shown here: ${Object.keys(data).join(", ")}.`, "");
    }
  }
}

function text(source: string, className: string): HTMLElement {
  const terminal = new LineTerminal();
  terminal.write(source);
  const element = document.createElement("pre");
  element.className = className;
  for (const line of terminal.lines) {
    for (const run of line) {
      const part = document.createElement("span");
      part.textContent = run.text;
      if (run.style !== PLAIN) {
        const { className: name, style } = presentation(run.style);
        part.className = name;
        Object.assign(part.style, style);
      }
      element.append(part);
    }
    element.append("\n");
  }
  return element;
}
