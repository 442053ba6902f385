// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { IN_TERMINAL, placeOf, PLAIN, press } from "./keys";

describe("a key that a phone lacks", () => {
  it("is pressed where the focus is, as terminals and editors read it", () => {
    const heard: KeyboardEvent[] = [];
    const field = document.createElement("textarea");
    field.addEventListener("keydown", (event) => heard.push(event));
    press(field, PLAIN.find((key) => key.name === "Up")!);
    press(field, IN_TERMINAL.find((key) => key.key === "c")!);
    expect(heard.map((event) => [event.key, event.keyCode, event.ctrlKey])).toEqual([["ArrowUp", 38, false], ["c", 67, true]]);
    expect(heard.every((event) => event.cancelable && event.bubbles)).toBe(true);
  });

  it("is offered in editors and terminals only", () => {
    document.body.innerHTML = '<div class="cm-editor"><div id="a"></div></div><div class="xterm"><textarea id="b"></textarea></div><input id="c">';
    const place = (id: string) => placeOf(document.getElementById(id));
    expect([place("a"), place("b"), place("c"), placeOf(null)]).toEqual(["editor", "terminal", null, null]);
  });
});
