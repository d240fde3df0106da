/**
 * What the tests of the output file share: a body, servers that stop in it, and
 * the two ways to write it.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import type { Progress } from "../../fetch.ts";
import type { VersionRecord } from "../../protocol/resume.ts";
import { isPrefix, noise } from "./bytes.ts";
import { MODES } from "./fetch.ts";
import { Folder } from "./folder.ts";
import { DATE, HOLD, MODIFIED, Origin, serveResource } from "./origin.ts";

/** Some megabytes, more than all buffers of the script. */
export const BODY = noise(3_000_000);

/** How much of it comes before the server falls silent or away. */
export const CAME = 2_500_000;

/** A server whose first answer stops after `CAME` bytes, and then says nothing more. */
export function stalling(): Origin {
  return new Origin((asked, count) => {
    const resource = { body: BODY, lastModified: MODIFIED };
    if (count > 1) return serveResource(asked, resource);
    return [...serveResource(asked, { ...resource, cut: CAME }), HOLD];
  });
}

/** Waits until so many bytes have come. */
export function coming(bytes: number): { progress: Progress; came: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let now = 0;
  const progress: Progress = {
    resumed: 0,
    get bytes() {
      return now;
    },
    set bytes(value) {
      now = value;
      if (value >= bytes) resolve();
    },
  };
  return { progress, came: promise };
}

/** A record as fetch.ts writes it beside FILE.part, but for what `more` says. */
export function writeRecord(folder: Folder, part: string, more: Partial<VersionRecord>) {
  const record = { date: DATE, lastModified: MODIFIED, decoded: false, ...more };
  folder.write(`${part}.json`, JSON.stringify(record));
}

/** A way to write: with read access, or without. */
export interface Way {
  /** For the name of a test. */
  how: string;
  /** What is granted. */
  permissions: string[];
  /** Whether there is a FILE.part. */
  partial: boolean;
  /** The name of the file that is written, where FILE is `f`. */
  written: string;
  /** The one line that says what failed and how much came. */
  says: (what: string, bytes: number, advice?: string) => RegExp;
  /** Fails unless there is what a failure may leave: FILE as it was, and what came. */
  assertLeft: (folder: Folder) => void;
}

/** Both ways. */
export const WAYS: Way[] = Object.entries(MODES).map(([mode, granted]) => {
  const partial = mode === "FILE.part";
  const written = partial ? "f.part" : "f";
  return {
    how: partial ? "with read access" : "with write access only",
    permissions: [...granted],
    partial,
    written,
    says: (what, bytes, advice = partial ? "; -C goes on" : "") =>
      new RegExp(`^fetch: ${what} \\(${written} has ${bytes} of \\d+ bytes\\)${advice}\n$`),
    assertLeft(folder) {
      assertEquals(folder.names, partial ? ["f", "f.part", "f.part.json"] : ["f"]);
      if (partial) assertEquals(folder.text("f"), "old");
      assert(isPrefix(folder.bytes(written), BODY), "these are not the bytes that came");
    },
  };
});
