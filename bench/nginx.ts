/**
 * The files that are downloaded, and nginx that serves them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { type Bench, find, output, progress, Server } from "./programs.ts";

/** Bytes of the text that files repeat: far more than gzip looks back on. */
const BLOCK = 4 * 1024 * 1024;

/** The same text each time. */
let text: Uint8Array<ArrayBuffer> | undefined;
const block = () => text ??= new TextEncoder().encode(makeText(BLOCK));

/** Makes a file of so many bytes of text. */
export async function makeFile(path: string, size: number) {
  using file = await Deno.create(path);
  for (let left = size; left > 0; left -= BLOCK) await write(file, block().subarray(0, left));
}

/** Makes what gzip would make of {@linkcode makeFile}'s file of so many blocks. */
async function makeGzip(path: string, blocks: number) {
  // A full flush ends at a byte and looks back on nothing, so that the
  // compressed block can be repeated: a minute of gzip becomes a second.
  const packed = deflateRawSync(block(), { finishFlush: constants.Z_FULL_FLUSH });
  using file = await Deno.create(path);
  await write(file, Uint8Array.of(31, 139, 8, 0, 0, 0, 0, 0, 0, 255));
  let check = 0;
  for (let i = 0; i < blocks; i++) {
    await write(file, packed);
    check = crc32(block(), check);
  }
  const end = Buffer.alloc(10);
  end[0] = 3; // the last block, empty
  end.writeUInt32LE(check, 2);
  end.writeUInt32LE(blocks * BLOCK % 2 ** 32, 6);
  await write(file, end);
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

/** Bytes a second that `/slow/` gives each connection, and in its first second twice. */
export const SLOW = 2 * 2 ** 20;

/** nginx with the files of the benchmark's folder; disposing of it ends it. */
export interface Site extends AsyncDisposable {
  /** Bytes of the file `large`. */
  size: number;
  /** Where a file is: under `plain`, `slow`, or, compressed, under `gzip`. */
  url(path: `${"plain" | "gzip" | "slow"}/${string}`, scheme?: "http" | "https"): string;
}

/** Starts nginx on two free ports, with the files `large`, `block` and `page`. */
export async function startSite(bench: Bench): Promise<Site> {
  await find(bench, ["nginx", "openssl", "curl", "wget", "aria2c", "python3"]);
  const { folder, programs, quick } = bench;
  if (!programs.has("nginx") || !programs.has("openssl")) {
    throw new Error("nginx and openssl are needed");
  }
  const size = (quick ? 64 : 1024) * 2 ** 20;
  if (!made.has(bench)) await makeSite(bench, size);
  made.add(bench);
  const ports = { http: freePort(), https: freePort() };
  await Deno.writeTextFile(`${folder}/nginx.conf`, configuration(folder, ports));
  const server = new Server(nginx(bench));
  await listens(ports.http);
  return {
    size,
    url: (path, scheme = "http") => `${scheme}://127.0.0.1:${ports[scheme]}/${path}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The benchmarks whose folder has the files. */
const made = new WeakSet<Bench>();

async function makeSite(bench: Bench, size: number) {
  const { folder } = bench;
  progress(bench, "making the files");
  await makeFile(`${folder}/large`, size);
  await makeGzip(`${folder}/large.gz`, size / BLOCK);
  await makeFile(`${folder}/block`, BLOCK);
  await makeFile(`${folder}/page`, 30_000);
  await makeCertificate(bench);
}

const nginx = ({ folder, programs }: Bench) => [
  programs.get("nginx")!,
  ...["-c", `${folder}/nginx.conf`, "-e", "stderr"],
];

/** How nginx was started, and with what, for readers. */
export async function nginxLines(bench: Bench): Promise<string[]> {
  const text = await Deno.readTextFile(`${bench.folder}/nginx.conf`);
  return [nginx(bench).join(" "), ...text.trim().split("\n").map((line) => `# ${line}`)];
}

function configuration(folder: string, { http, https }: { http: number; https: number }): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/temp;`).join(" ");
  return `daemon off;
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
    location /slow/ { alias ${folder}/; limit_rate ${SLOW}; }
  }
}
`;
}

/** Waits until somebody accepts connections at `port`, five seconds at most. */
async function listens(port: number) {
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ port })).close();
      return;
    } catch (error) {
      if (tries === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
