// Watches the session for a person: what must be seen without looking, told to who listens, and said while the tab is hidden.

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import type { Page } from "../notebook/page";
import { countdown, largest, left, nearlyFull, type Limit } from "./attention";
import { notify } from "./notify";
import { describe } from "./words";

// A break that is over sooner is nobody's concern.
const PATIENCE = 3000;
const LAST_CALL = 120;

export class SessionWatch {
  /** Counts seconds, for what is told by the clock. */
  readonly now = signal(Date.now());
  readonly busy = computed(() => this.page.busy.value || this.page.session.view.value.kernel?.state === "busy");
  readonly end = computed(() => {
    const { session } = this.page;
    if (session.view.value.state !== "leased") return null;
    return countdown({ expiresAt: session.expiresAt.value, endsAt: session.endsAt.value, cooldown: session.cooldown.value }, this.busy.value, this.now.value);
  });
  /** The line has been down for so long that one should know. */
  readonly cutOff = computed(() => {
    const since = this.page.session.downSince.value;
    return since !== null && this.now.value - since >= PATIENCE;
  });
  readonly full = { memory: signal(false), disk: signal(false) };
  private readonly dismissed = { memory: signal(false), disk: signal(false) };
  /** Names and sizes of the largest variables, when the memory is nearly full. */
  readonly largest = signal<string[]>([]);
  /** In front of the tab's title. */
  readonly mark = computed(() => {
    const near = this.end.value?.near ?? false;
    return near || this.page.session.view.value.state === "gone" ? "⚠ " : "";
  });

  constructor(private readonly page: Page) {
    setInterval(() => (this.now.value = Date.now()), 1000);
    document.addEventListener("visibilitychange", () => (this.now.value = Date.now()));
    this.watchLimits();
    this.tellEnd();
    this.tellState();
  }

  shows(limit: Limit): boolean {
    return this.full[limit].value && !this.dismissed[limit].value;
  }

  dismiss(limit: Limit): void {
    this.dismissed[limit].value = true;
  }

  /** What an effect tells is no reason for it to run again. */
  private tell(words: string): void {
    untracked(() => this.page.tell(words));
  }

  private notify(title: string, words: string): void {
    untracked(() => notify(`${this.page.title.value}: ${title}`, words, "session"));
  }

  private watchLimits(): void {
    effect(() => {
      const usage = this.page.session.usage.value;
      for (const limit of ["memory", "disk"] as const) {
        const full = nearlyFull(usage, limit, this.full[limit].peek());
        if (full === this.full[limit].peek()) continue;
        batch(() => {
          this.full[limit].value = full;
          this.dismissed[limit].value = false;
        });
        if (full) this.tell(limit === "memory" ? "The memory is almost full" : "The disk is almost full");
        if (full && limit === "memory") void this.askForLargest();
      }
    });
  }

  private async askForLargest(): Promise<void> {
    this.largest.value = [];
    this.largest.value = largest(await this.page.session.askKernel("variables"));
  }

  /** Twice: when the end comes near, and once more when it is about to come. */
  private tellEnd(): void {
    const near = computed(() => this.end.value?.near ?? false);
    const lastCall = computed(() => near.value && this.end.value!.seconds <= LAST_CALL);
    const say = () => {
      const { seconds, hard } = untracked(() => this.end.value!);
      const words = `The session ends in ${left(seconds)}${hard ? "." : " if nothing happens."}`;
      this.tell(hard ? words : `${words} The button "Keep running" above the cells keeps it.`);
      this.notify("the session ends soon", words);
    };
    effect(() => void (near.value && say()));
    let said = false;
    effect(() => {
      if (lastCall.value && !said && untracked(() => this.end.value!.seconds) > LAST_CALL - 5) say();
      said = lastCall.value;
    });
  }

  private tellState(): void {
    let cutOff = false;
    effect(() => {
      if (this.cutOff.value === cutOff) return;
      const back = cutOff && this.page.session.view.peek().line === "open";
      cutOff = this.cutOff.value;
      if (cutOff) this.tell("Disconnected. Code goes on running, and what you type is kept.");
      else if (back) this.tell("Connected again");
    });
    const key = computed(() => {
      const { state, kernel, line } = this.page.session.view.value;
      if (line === "signed out") return "out";
      if (state === "gone" || state === "refused" || state === "waiting") return state;
      return kernel?.state === "dead" || kernel?.state === "restarting" ? kernel.state : state === "leased" ? "" : "starting";
    });
    let before = key.peek();
    effect(() => {
      const now = key.value;
      if (now === before) return;
      const { label, detail } = describe(this.page.session.view.peek());
      if (now === "" && before !== "starting") this.tell(before === "out" ? "Signed in again" : "The kernel is ready");
      // That the kernel died is an alert already.
      else if (now !== "" && now !== "starting" && now !== "dead") this.tell(`${label}. ${detail}`);
      if (now === "gone") this.notify("the session has ended", detail);
      before = now;
    });
  }
}
