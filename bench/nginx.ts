/**
 * The files that are downloaded, and nginx that serves them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { type Bench, output, Server } from "./programs.ts";

/** Bytes of the text that files repeat: far more than gzip looks back on. */
const BLOCK = 4 * 1024 * 1024;

/** Makes the files to serve: so many blocks of text each, plain and gzip. */
export async function makeFiles(folder: string, files: Record<string, number>) {
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
export async function makeCertificate({ folder, programs }: Bench) {
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
export async function startNginx({ folder, programs }: Bench) {
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
