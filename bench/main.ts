/**
 * Measures the three scripts beside what a user would pick instead.
 *
 * ```sh
 * deno task bench
 * deno task bench --quick --only server
 * ```
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import {
  anyText,
  EXIT,
  helpText,
  type OptionTable,
  parseOptions,
  runScript,
  usageError,
} from "../mod.ts";
import { benchClient } from "./client_bench.ts";
import { benchFetch, benchStart } from "./fetch_bench.ts";
import { type Bench, Server } from "./programs.ts";
import { benchServer } from "./server_bench.ts";
import { markdown, save, type Section, targetTable } from "./report.ts";

const INTRO = `Usage: deno task bench [OPTIONS]

Measures fetch.ts, server.ts and client.ts beside curl, wget, aria2c, Node
and Python in one interleaved run, and prints tables. A full run writes
docs/benchmarks.md and its charts. It needs cc and, for fetch, nginx and
openssl; other programs are left out if they are not here, and named.
Exit code 1: bytes were wrong, or a command failed.
`;

const OPTIONS = {
  quick: { help: "a minute: 64 MiB, few rounds; good for a look only" },
  only: {
    value: anyText("PART", "fetch, server or client"),
    many: true,
    help: "fetch, server or client; repeatable",
  },
  write: { help: "write docs/benchmarks.md even so" },
  help: { letter: "h", help: "show this" },
} as const satisfies OptionTable;

const PARTS: Record<
  string,
  ((bench: Bench) => Promise<Section | undefined>)[]
> = {
  fetch: [benchFetch, benchStart],
  server: [benchServer],
  client: [benchClient],
};

async function main(args: string[]): Promise<number> {
  const { only, quick, write, help } = await parseOptions(args, OPTIONS);
  if (help) {
    console.log(helpText(INTRO, OPTIONS, ""));
    return EXIT.ok;
  }
  const unknown = only.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown) throw usageError(`--only takes fetch, server or client, not ${unknown}`);
  const { bench, sections } = await measureParts(
    only.length ? only : Object.keys(PARTS),
    quick,
  );
  const targets = sections.flatMap((section) => section.targets);
  if (targets.length) console.log(`\n${markdown(targetTable(targets))}`);
  if (bench.missing.size) {
    console.log(`\nNot here: ${[...bench.missing].join(", ")}`);
  }
  for (const failure of bench.failures) console.error(`bench: ${failure}`);
  if (write || !(quick || only.length)) await save(bench, sections);
  return bench.failures.length ? EXIT.unexpected : EXIT.ok;
}

/** Runs the parts and prints their tables. */
async function measureParts(parts: string[], quick: boolean) {
  const folder = await Deno.makeTempDir({ dir: await place(quick) });
  const bench: Bench = {
    quick,
    folder,
    programs: new Map([["deno", Deno.execPath()]]),
    missing: new Set(),
    failures: [],
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      Server.endAll();
      Deno.removeSync(folder, { recursive: true }); // it may be gigabytes of memory
      Deno.exit(EXIT.interrupted);
    });
  }
  const sections: Section[] = [];
  try {
    for (const part of parts.flatMap((part) => PARTS[part]!)) {
      const section = await part(bench);
      if (!section) continue;
      sections.push(section);
      for (const table of section.tables) {
        console.log(`\n${table.title}\n\n${markdown(table)}`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return { bench, sections };
}

/** A folder with room for the files, in memory if there is one. */
async function place(quick: boolean): Promise<string> {
  const memory = "/dev/shm";
  const { bavail, bsize } = await statfs(memory)
    .catch(() => ({ bavail: 0, bsize: 0 }));
  const needed = (quick ? 1 : 4) * 2 ** 30;
  return bavail * bsize >= needed ? memory : Deno.env.get("TMPDIR") ?? "/tmp";
}

if (import.meta.main) {
  await runScript({ name: "bench", advice: {}, needs: () => [], args: () => [] }, main);
}
