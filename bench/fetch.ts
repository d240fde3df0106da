/**
 * fetch.ts beside curl and what else people download with.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, crc32, deflateRawSync } from "node:zlib";
import {
  available,
  type Bench,
  compile,
  find,
  interleave,
  measure,
  output,
  ROOT,
  type Section,
  Server,
  stats,
  type Table,
  type Target,
  type Used,
} from "./measure.ts";
import * as show from "./show.ts";

/** Bytes of the text that files repeat: far more than gzip looks back on. */
const BLOCK = 4 * 1024 * 1024;

/** The peer that keeps all of the answer in memory. */
const TUTORIAL = "tutorial's GET";

/** The peer that does nothing, for what starting Deno costs. */
const NOTHING = "deno run of nothing";

/** A way in which a file is served. */
interface Case {
  name: string;
  url: (name: "large" | "small") => string;
  /** Whether the answer is compressed, and to be decoded. */
  gzip?: true;
  /** Whether the answer comes by TLS. */
  tls?: true;
  /** What curl's wall time is multiplied with, at most. */
  wall: number;
  /** The most memory, in MiB. */
  memory: number;
}

/** The commands that save `url` as `file`, those that can. */
function commands(
  bench: Bench,
  { gzip, tls, name }: Partial<Case>,
  url: string,
  file: string,
): Record<string, string[]> {
  const { folder } = bench;
  const ca = `${folder}/ca.pem`;
  // In /dev/shm, since no other permission opens files under /dev.
  const deno = ["deno", "run", "--no-prompt", "--allow-all"];
  const when = (condition: true | undefined, ...words: string[]) => condition ? words : [];
  // deno-fmt-ignore
  return available(bench, {
    "fetch.ts": [
      ...deno, `${ROOT}fetch.ts`, "-s", ...when(gzip, "--compressed"),
      ...when(tls, "--cacert", ca), "-o", file, url,
    ],
    curl: [
      "curl", "-s", ...when(gzip, "--compressed"), ...when(tls, "--cacert", ca),
      "-o", file, url,
    ],
    wget: [
      "wget", "-q", ...when(gzip, "--compression=gzip"),
      ...when(tls, `--ca-certificate=${ca}`), "-O", file, url,
    ],
    aria2c: [
      "aria2c", "-q", "-x1", "--no-conf", "--allow-overwrite=true",
      ...when(gzip, "--http-accept-gzip=true"), ...when(tls, `--ca-certificate=${ca}`),
      "-d", folder, "-o", file.slice(folder.length + 1), url,
    ],
    "Deno's fetch()": [
      ...deno, ...when(tls, "--cert", ca),
      `${ROOT}bench/peers/fetch.ts`, url, file,
    ],
    // The tutorial's GET knows no other framing.
    ...name === "content-length" && {
      [TUTORIAL]: ["python3", `${ROOT}bench/peers/get.py`, url, file],
    },
  });
}

/** Measures fetch.ts and its peers; nothing without nginx. */
export async function benchFetch(bench: Bench): Promise<Section | undefined> {
  await find(bench, ["nginx", "openssl", "curl", "wget", "aria2c", "python3"]);
  const { folder, quick, programs } = bench;
  if (!programs.has("nginx") || !programs.has("openssl")) return;
  const size = quick ? 64 : 256, rounds = quick ? 2 : 7;
  const large = quick ? "256 MiB" : "1 GiB";
  await makeFiles(folder, { large: size, small: 25 });
  await makeCertificate(bench);
  const chunks = await compile(bench, "peers/chunks");
  await using chunked = new Server([chunks, `${folder}/block`]);
  await using nginx = await startNginx(bench);
  const port = await chunked.port;
  const times = { large: size, small: 25 };
  const cases: Case[] = [
    {
      name: "content-length",
      url: (name) => `http://127.0.0.1:${nginx.http}/plain/${name}`,
      wall: 0.85,
      memory: 64,
    },
    ...[65536, 8192].map((chunk): Case => ({
      name: `chunks of ${chunk / 1024} KiB`,
      url: (name) => `http://127.0.0.1:${port}/${chunk}/${times[name]}`,
      wall: 0.85,
      memory: 64,
    })),
    {
      name: "TLS 1.3",
      url: (name) => `https://127.0.0.1:${nginx.https}/plain/${name}`,
      tls: true,
      wall: 1,
      memory: 64,
    },
    {
      name: "gzip",
      url: (name) => `http://127.0.0.1:${nginx.http}/gzip/${name}`,
      gzip: true,
      wall: 0.8,
      memory: 128,
    },
  ];

  const tables: Table[] = [], targets: Target[] = [];
  const groups: Section["chart"]["groups"] = [];
  const memory: Record<string, string[]> = {};
  let most = 0, growth = 0;
  for (const it of cases) {
    const file = `${folder}/out`;
    const download = (name: "large" | "small", count: number) =>
      interleave(
        bench,
        count,
        commands(bench, it, it.url(name), file),
        (command) => save(bench, command, file, `${folder}/${name}`),
      );
    const results = await download("large", rounds);
    const small = await download("small", quick ? 1 : 3);
    const drained = it.tls || it.gzip ? [] : await drain(bench, it, rounds);
    tables.push({
      title: `${large}, ${it.name}`,
      ...show.usedTable(results, "curl"),
      commands: show.lines(commands(bench, it, it.url("large"), file)),
    });
    if (drained.length) {
      const { median } = stats(drained.map((used) => used.wall));
      tables.at(-1)!.rows.push(
        ["read and dropped in C", show.seconds(median), "", "", "", "", ""],
      );
    }
    groups.push({
      label: it.name,
      bars: show.bars(results, (used) => used.wall, show.seconds)
        .filter(({ label }) => label !== TUTORIAL), // so slow that others vanish
    });
    for (const [peer, list] of results) {
      const [little, much] = [small.get(peer) ?? [], list]
        .map((all) => stats(all.map((used) => used.memory)).max);
      (memory[peer] ??= cases.map(() => ""))[cases.indexOf(it)] = `${show.mebibytes(little!)}, ${
        show.mebibytes(much!)
      }`;
      if (peer !== "fetch.ts") continue;
      growth = Math.max(growth, much! / little!);
      if (!it.gzip) most = Math.max(most, much!);
    }
    const [ours, curl] = ["fetch.ts", "curl"].map((name) => results.get(name));
    targets.push(
      target(`${large}, ${it.name}, wall`, it.wall, ours, curl, "wall"),
      target(`${large}, ${it.name}, CPU`, 1.15, ours, curl, "cpu"),
    );
    if (it.gzip && ours) {
      targets.push(
        memoryTarget("any other download", 64, most),
        memoryTarget(it.name, 128, stats(ours.map((u) => u.memory)).max),
        {
          what: `peak memory, ${large} beside 100 MiB`,
          unit: "times",
          limit: ["at most", 1.15],
          value: growth,
        },
      );
    }
  }
  tables.push({
    title: `Peak memory, 100 MiB and ${large}`,
    columns: ["", ...cases.map((it) => it.name)],
    rows: Object.entries(memory).map(([peer, cells]) => [peer, ...cells]),
  });
  return {
    title: "fetch.ts",
    notes: [
      `A file of ${large} from nginx (sendfile on, one worker), for the chunked ` +
      "cases from bench/peers/chunks.c, which sends made frames by sendfile. " +
      `Each download goes into a new file in ${show.place(folder)} and is ` +
      "compared with the source. `read and dropped in C` shows how fast the " +
      "server can be read at all.",
    ],
    tables,
    chart: {
      file: "benchmarks-fetch.svg",
      title: `Seconds to download ${large} (less is better)`,
      groups,
    },
    targets,
  };
}

/** Measures how long a page of 30 KB takes, most of it the start. */
export async function benchStart(bench: Bench): Promise<Section | undefined> {
  const { folder, quick, programs } = bench;
  if (!programs.has("nginx")) return;
  await using nginx = await startNginx(bench);
  const url = `http://127.0.0.1:${nginx.http}/plain/page`;
  const file = `${folder}/out`;
  const all: Record<string, string[]> = {
    ...commands(bench, { name: "content-length" }, url, file),
    [NOTHING]: [programs.get("deno")!, "run", `${ROOT}bench/peers/empty.ts`],
  };
  const results = await interleave(
    bench,
    quick ? 10 : 40,
    all,
    (command) =>
      command === all[NOTHING]
        ? measure(bench, command)
        : save(bench, command, file, `${folder}/page`),
  );
  const nothing = results.get(NOTHING);
  return {
    title: "The start",
    notes: [
      "A page of 30 KB from nginx, beside `deno run` of an empty script.",
    ],
    tables: [{
      title: "A page of 30 KB",
      ...show.usedTable(results, NOTHING),
      commands: show.lines(all),
    }],
    chart: {
      file: "benchmarks-start.svg",
      title: "Milliseconds for a page of 30 KB (less is better)",
      groups: [{
        label: "",
        bars: show.bars(results, (used) => used.wall, show.milliseconds),
      }],
    },
    targets: [{
      ...target(
        "30 KB page, wall",
        1.3,
        results.get("fetch.ts"),
        nothing,
        "wall",
      ),
      unit: "of deno run of an empty script",
    }],
  };
}

function target(
  what: string,
  limit: number,
  ours: Used[] | undefined,
  peer: Used[] | undefined,
  field: "wall" | "cpu",
): Target {
  const [a, b] = [ours, peer]
    .map((list) => list && stats(list.map((used) => used[field])).median);
  return {
    what,
    unit: "of curl",
    limit: ["at most", limit],
    value: a && b && a / b,
  };
}

function memoryTarget(what: string, limit: number, bytes: number): Target {
  return {
    what: `peak memory, ${what}`,
    unit: "MiB",
    limit: ["at most", limit],
    value: bytes / 2 ** 20,
  };
}

/** Runs a download and checks what it saved. */
async function save(
  bench: Bench,
  command: string[],
  file: string,
  source: string,
): Promise<Used> {
  await Deno.remove(file).catch(() => {});
  const used = await measure(bench, command);
  await output("cmp", [file, source]);
  return used;
}

/** How fast the server can be read, when nothing is done with the bytes. */
async function drain(bench: Bench, it: Case, rounds: number): Promise<Used[]> {
  const { port, pathname } = new URL(it.url("large"));
  const command = [await compile(bench, "load"), "drain", port, pathname];
  const run = () => measure(bench, command);
  return (await interleave(bench, rounds, { drain: command }, run)).get(
    "drain",
  ) ?? [];
}

/** Makes the files to serve: so many blocks of text each, plain and gzip. */
async function makeFiles(folder: string, files: Record<string, number>) {
  const block = new TextEncoder().encode(makeText(BLOCK));
  // A full flush ends at a byte and looks back on nothing, so that the
  // compressed block can be repeated: a minute of gzip becomes a second.
  const packed = deflateRawSync(block, { finishFlush: constants.Z_FULL_FLUSH });
  for (const [name, times] of Object.entries({ ...files, block: 1 })) {
    using plain = await Deno.create(`${folder}/${name}`);
    using gzip = await Deno.create(`${folder}/${name}.gz`);
    await write(gzip, Uint8Array.of(31, 139, 8, 0, 0, 0, 0, 0, 0, 255));
    let check = 0;
    for (let i = 0; i < times; i++) {
      await write(plain, block);
      await write(gzip, packed);
      check = crc32(block, check);
    }
    const end = Buffer.alloc(10);
    end[0] = 3; // the last block, empty
    end.writeUInt32LE(check, 2);
    end.writeUInt32LE(times * BLOCK % 2 ** 32, 6);
    await write(gzip, end);
  }
  await Deno.writeFile(`${folder}/page`, block.subarray(0, 30_000));
}

async function write(file: Deno.FsFile, bytes: Uint8Array) {
  for (let n = 0; n < bytes.length;) n += await file.write(bytes.subarray(n));
}

/** Makes a list of links, the same each time, that gzip takes to a quarter. */
function makeText(length: number): string {
  let seed = 1;
  const random = (most: number) =>
    Math.floor((seed = seed * 48271 % 2147483647) / 2147483647 * most);
  const letters = "etaoinshrdlucmfwypvbgkjqxz";
  const words = Array.from(
    { length: 4096 },
    () =>
      Array.from({ length: 2 + random(8) }, () => letters[random(random(27))])
        .join(""),
  );
  const word = () => words[random(random(words.length))];
  const lines: string[] = [];
  for (let size = 0; size < length;) {
    const title = Array.from({ length: 3 + random(9) }, word).join(" ");
    const line = `<li class="news"><a href="/news/2026/${word()}-${word()}.html" ` +
      `title="${title}">${title}</a> <span class="date">${random(28)} May</span></li>\n`;
    lines.push(line);
    size += line.length;
  }
  return lines.join("").slice(0, length);
}

/** Makes an authority and its certificate for 127.0.0.1. */
async function makeCertificate({ folder, programs }: Bench) {
  const make = (name: string, ...more: string[]) =>
    // deno-fmt-ignore
    output(programs.get("openssl")!, [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
      "-nodes", "-days", "2", "-subj", `/CN=bench ${name}`,
      "-keyout", `${folder}/${name}.key`, "-out", `${folder}/${name}.pem`, ...more,
    ]);
  await make("ca");
  // deno-fmt-ignore
  await make("server",
    "-CA", `${folder}/ca.pem`, "-CAkey", `${folder}/ca.key`,
    "-addext", "basicConstraints=critical,CA:FALSE",
    "-addext", "subjectAltName=IP:127.0.0.1",
  );
}

/** Starts nginx on two free ports, with the files of the folder. */
async function startNginx({ folder, programs }: Bench) {
  const [http, https] = [freePort(), freePort()];
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/temp;`).join(" ");
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
  ${temporary}
  access_log off;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:${http};
    listen 127.0.0.1:${https} ssl;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_protocols TLSv1.3;
    location /plain/ { alias ${folder}/; }
    location /gzip/ { alias ${folder}/; gzip_static on; }
  }
}
`,
  );
  const server = new Server([
    programs.get("nginx")!,
    ...["-c", `${folder}/nginx.conf`, "-e", "stderr"],
  ]);
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ port: http })).close();
      break;
    } catch (error) {
      if (tries === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return {
    http,
    https,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
