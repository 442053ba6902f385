// The notebook page: reads what the server put into it, loads the document and draws.

import "./chrome";
import { render } from "preact";
import { ask, type ApiError } from "./api";
import { App } from "./components/App";
import { Title } from "./components/Title";
import { NEAR } from "./notebook/results";
import { Page, type Addresses, type Loaded, type PageSettings } from "./notebook/page";

const holder = document.getElementById("notebook")!;
const settings = JSON.parse(document.getElementById("settings")!.textContent!) as PageSettings;
const addresses = { ...holder.dataset } as unknown as Addresses;

async function open(): Promise<void> {
  try {
    const { body } = await ask<Loaded>("GET", addresses.document + NEAR);
    const page = new Page(settings, addresses, body);
    const title = document.getElementById("title")!;
    title.replaceChildren();
    render(<Title page={page} />, title);
    holder.replaceChildren();
    render(<App page={page} />, holder);
    const first = page.notebook.cells.value[0]!;
    page.go(0, page.notebook.cells.value.length === 1 && !first.source.value ? "edit" : "command");
  } catch (error) {
    const message = (error as ApiError).message ?? String(error);
    holder.replaceChildren();
    render(
      <main id="main" class="column">
        <div class="card narrow" role="alert">
          <h1>This notebook could not be loaded</h1>
          <p>{message}</p>
          <p>
            <button class="button primary" onClick={() => location.reload()}>
              Try again
            </button>{" "}
            <a class="button" href={addresses.list}>
              Your notebooks
            </a>
          </p>
        </div>
      </main>,
      holder,
    );
  }
}

void open();
