/**
 * The programs that download, and how a download is measured and checked.
 *
 * @module
 */
import { available, type Bench, measure, output, ROOT, type Used } from "./programs.ts";

/** The names of the peers. */
export const OURS = "fetch.ts", DENO_FETCH = "Deno's fetch()", TUTORIAL = "tutorial's GET";

/** Runs a script that may write into /dev/shm: no other permission opens files under /dev. */
export const DENO = ["deno", "run", "--no-prompt", "--allow-all"];

/** How an answer comes. */
export interface Way {
  /** Compressed, and is to be decoded. */
  gzip?: true;
  /** By TLS. */
  tls?: true;
  /** In chunks, which the tutorial's GET does not know. */
  chunked?: true;
}

/** The file that downloads are saved as. */
export const savedAs = ({ folder }: Bench) => `${folder}/out`;

/** The commands that save `url`, of the programs that can. */
export function downloads(bench: Bench, url: string, way: Way = {}): Record<string, string[]> {
  const { folder } = bench;
  const file = savedAs(bench), ca = `${folder}/ca.pem`;
  const { hostname, port, pathname } = new URL(url);
  const when = (condition: true | undefined, ...words: string[]) => condition ? words : [];
  // deno-fmt-ignore
  return available(bench, {
    [OURS]: fetching(
      bench, url, ...when(way.gzip, "--compressed"), ...when(way.tls, "--cacert", ca),
    ),
    curl: [
      "curl", "-s", ...when(way.gzip, "--compressed"), ...when(way.tls, "--cacert", ca),
      "-o", file, url,
    ],
    wget: [
      "wget", "-q", ...when(way.gzip, "--compression=gzip"),
      ...when(way.tls, `--ca-certificate=${ca}`), "-O", file, url,
    ],
    aria2c: aria2c(
      bench, 1, url,
      ...when(way.gzip, "--http-accept-gzip=true"), ...when(way.tls, `--ca-certificate=${ca}`),
    ),
    [DENO_FETCH]: [
      ...DENO, ...when(way.tls, "--cert", ca), `${ROOT}bench/peers/fetch.ts`, url, file,
    ],
    ...!way.gzip && !way.tls && !way.chunked && {
      [TUTORIAL]: [
        "python3", `${ROOT}tests/compat/tutorial_get.py`, hostname, port, file, pathname,
      ],
    },
  });
}

/** The command of fetch.ts. */
export const fetching = (bench: Bench, url: string, ...options: string[]): string[] => [
  ...[...DENO, `${ROOT}fetch.ts`, "-q"],
  ...[...options, "-o", savedAs(bench), url],
];

/** The command of aria2c with so many connections. */
export const aria2c = (bench: Bench, n: number, url: string, ...options: string[]): string[] => [
  ...["aria2c", "-q", `-x${n}`, `-s${n}`, "-k1M", "--no-conf", "--file-allocation=none"],
  ...[...options, "-d", bench.folder, "-o", "out", url],
];

/** Removes what an earlier download left. */
export async function clear(bench: Bench) {
  for (const end of ["", ".part", ".part.json", ".aria2"]) {
    await Deno.remove(savedAs(bench) + end).catch(() => {}); // most are not there
  }
}

/** Runs a download into a new file, and compares that with `source`. */
export async function download(bench: Bench, command: string[], source: string): Promise<Used> {
  await clear(bench);
  return await finish(bench, command, source);
}

/** Runs a download, whatever is there of its file, and compares that with `source`. */
export async function finish(bench: Bench, command: string[], source: string): Promise<Used> {
  const used = await measure(bench, command);
  await output("cmp", [savedAs(bench), source]);
  return used;
}
