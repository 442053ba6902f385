import { describe, expect, it } from "vitest";
import base from "../styles/base.css?raw";
import outputs from "../styles/outputs.css?raw";

// The colours as the style sheets have them: `--name: light-dark(#light, #dark)`.
const pairs = new Map([...`${base}${outputs}`.matchAll(/(--[\w-]+): (?:var\(--usual, )?light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\)/g)].map((found) => [found[1]!, [found[2]!, found[3]!] as const]));

function luminance(colour: string): number {
  const digits = colour.slice(1);
  const full = digits.length === 3 ? digits.replace(/./g, "$&$&") : digits;
  const [red, green, blue] = [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

describe.each([["light", 0], ["dark", 1]] as const)("the colours of programs on a %s page", (_, theme) => {
  const of = (name: string) => pairs.get(name)![theme];
  // 8 to 15 take the colours of 0 to 7.
  for (let number = 0; number < 8; number++) {
    for (const ground of ["--bg", "--surface", "--warning-soft", "--danger-soft"]) {
      it(`are readable: ${number} on ${ground}`, () => expect(contrast(of(`--ansi-${number}`), of(ground))).toBeGreaterThanOrEqual(4.5));
    }
    it(`are readable as a ground: ${number}`, () => expect(contrast(of("--bg"), of(`--ansi-${number}`))).toBeGreaterThanOrEqual(4.5));
  }
});
