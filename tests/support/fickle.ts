/**
 * A server whose resource is replaced at any moment and that fails in any way, but never lies:
 * what its answers say of their bytes is true, as far as they say it.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import zlib from "node:zlib";
import { encode, joined, noise, textOf } from "./bytes.ts";

/** Numbers that a seed decides. */
export class Random {
  #state: number;

  /** Gives others for another seed. */
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  }

  /** A whole number from 0 up to, but without `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % Math.max(1, limit);
  }

  /** Whether something happens that does in so many of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** One of them. */
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }
}

/** One version of the resource. */
export interface Version {
  /** The whole. */
  body: Uint8Array;
  /** Its ETag, if the server has them. */
  etag: string | undefined;
  /** When it came to be, in seconds. */
  born: number;
}

/** What a server does all the time. */
export interface Character {
  etags: "none" | "strong" | "weak" | "weak and the same" | "two";
  modified: boolean;
  dates: boolean;
  ranges: boolean;
  ifRange: boolean;
  framing: "length" | "chunked" | "eof";
  gzip: boolean;
  /** Which validators a 206 repeats. */
  repeats: "all" | "etag" | "modified" | "none";
  /** What Content-Range says of the total. */
  totals: "numbers" | "*";
  /** What Content-Range a 416 has. */
  ends: "total" | "none";
  sizes: readonly number[];
}

/** Any character; a file that is worth several connections mostly allows them. */
export function characterOf(random: Random): Character {
  const isLarge = random.chance(12), isFriendly = isLarge && random.chance(75);
  const pick = <T>(friendly: T, ...others: T[]) =>
    isFriendly ? friendly : random.pick([friendly, ...others]);
  return {
    etags: pick<Character["etags"]>("strong", "strong", "none", "weak", "weak and the same", "two"),
    modified: random.chance(60),
    dates: random.chance(85),
    ranges: isFriendly || random.chance(85),
    ifRange: random.chance(60),
    framing: pick<Character["framing"]>("length", "length", "length", "chunked", "eof"),
    gzip: random.chance(20),
    repeats: pick<Character["repeats"]>("all", "all", "all", "etag", "modified", "none"),
    totals: pick<Character["totals"]>("numbers", "numbers", "numbers", "*"),
    ends: random.pick(["total", "total", "none"]),
    sizes: isLarge
      ? [2_200_000, 2_300_000]
      : random.pick([[0, 1, 2], [300], [300, 299], [5000, 70_000]]),
  };
}

/** Bytes of the resource that are asked for: up to, but without `end`. */
interface Asked {
  start: number;
  end: number;
}

/** An answer, and how it breaks. */
interface Answer {
  head: string[];
  body: Uint8Array;
  framing: Character["framing"];
}

/** A second of the server's clock is one of ours, but it says what time it is. */
export class Fickle implements AsyncDisposable {
  /** All versions there have been; the last is served. */
  readonly versions: Version[] = [];
  /** Whether it does nothing bad and changes nothing. */
  healthy = false;
  /** Is told whenever it is about to do something. */
  onStep: () => void = () => {};
  readonly #random: Random;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What time it is, in seconds; it goes on as the server likes. */
  #now: number;

  private constructor(random: Random, readonly character: Character, now: number) {
    this.#random = random;
    this.#now = now;
    this.replace();
    this.#server = createServer((socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", () => {}); // the client may reset it
      socket.on("close", () => this.#sockets.delete(socket));
      socket.once(
        "data",
        (head) => this.#serve(socket, textOf(head)).catch(() => socket.destroy()),
      );
    });
  }

  /** Listens on a free loopback port; `now` is what time it believes it is. */
  static async start(random: Random, character: Character, now: number): Promise<Fickle> {
    const fickle = new Fickle(random, character, now);
    fickle.#server.listen(0, "127.0.0.1");
    await once(fickle.#server, "listening");
    return fickle;
  }

  /** The URL of the resource. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/file`;
  }

  /** The version that is served. */
  get version(): Version {
    return this.versions.at(-1)!;
  }

  /** When a version came to be, as Last-Modified says it. */
  static modified({ born }: Version): string {
    return new Date(Math.floor(born) * 1000).toUTCString();
  }

  /** Replaces the resource. */
  replace() {
    const { etags, sizes } = this.character, count = this.versions.length + 1;
    const tag = { none: undefined, strong: `"${count}"`, weak: `W/"${count}"` };
    const etag = etags === "two"
      ? `"same"`
      : etags === "weak and the same"
      ? `W/"same"`
      : tag[etags];
    const body = noise(this.#random.pick(sizes), count);
    if (count > 1) this.#now = Math.max(this.#now, Date.now() / 1000); // it says when, truly
    this.versions.push({ body, etag, born: this.#now });
  }

  async #serve(socket: Socket, request: string) {
    this.onStep();
    this.#now += this.#random.below(2000) / 1000;
    if (!this.healthy && this.#random.chance(25)) this.replace();
    const fault = this.healthy || this.#random.chance(55) ? undefined : this.#random.below(9);
    if (fault === 0) return socket.destroy();
    if (fault === 1) return socket.end("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    if (fault === 2) return socket.resetAndDestroy();
    const answer = this.#answer(request, fault);
    const coded = this.#framed(answer);
    // a body that EOF frames can only break with a reset
    const breaks = fault !== undefined && fault > 4 && answer.body.length > 0;
    const cut = breaks ? this.#random.below(coded.length) : coded.length;
    socket.write(`${answer.head.join("\r\n")}\r\n\r\n`);
    await this.#send(socket, coded.subarray(0, cut));
    if (breaks && (answer.framing === "eof" || this.#random.chance(30))) socket.resetAndDestroy();
    else socket.end();
  }

  /** Sends it in some parts; the resource may be replaced between them. */
  async #send(socket: Socket, bytes: Uint8Array) {
    const parts = 1 + this.#random.below(4);
    for (let at = 0; at < parts; at++) {
      this.onStep();
      if (!this.healthy && this.#random.chance(5)) this.replace();
      const [start, end] = [at, at + 1].map((part) => Math.floor(bytes.length * part / parts));
      const flowing = socket.write(bytes.subarray(start, end));
      if (!flowing && !socket.destroyed) {
        await Promise.race([once(socket, "drain"), once(socket, "close")]);
      }
    }
  }

  #framed({ body, framing, head }: Answer): Uint8Array {
    if (framing === "length") head.push(`Content-Length: ${body.length}`);
    if (framing !== "chunked") return body;
    head.push("Transfer-Encoding: chunked");
    const last = encode("0\r\n\r\n");
    return body.length === 0
      ? last
      : joined(`${body.length.toString(16)}\r\n`, body, "\r\n", textOf(last));
  }

  #answer(request: string, fault: number | undefined): Answer {
    const { character, version } = this, { body } = version;
    const range = this.#rangeOf(request);
    if (!range) return this.#whole(request);
    if (range.start >= body.length) return this.#end(body.length);
    const asked = { ...range, end: Math.min(range.end, body.length) };
    if (fault === 3) asked.start = this.#random.below(asked.end); // other bytes than those
    if (fault === 4) asked.end -= this.#random.below(asked.end - asked.start); // fewer
    const total = character.totals === "*" ? "*" : body.length;
    const kind = fault === 8
      ? "Content-Type: multipart/byteranges; boundary=x"
      : `Content-Range: bytes ${asked.start}-${asked.end - 1}/${total}`;
    return {
      head: ["HTTP/1.1 206 Partial Content", kind, ...this.#validators(character.repeats)],
      body: body.subarray(asked.start, asked.end),
      framing: character.framing,
    };
  }

  /** The range that counts (RFC 9110 sections 13.1.5 and 14.2). */
  #rangeOf(request: string): Asked | undefined {
    const [, first, last] = /^Range: bytes=(\d+)-(\d*)\r$/m.exec(request) ?? [];
    if (first === undefined || !this.character.ranges) return undefined;
    const condition = /^If-Range: (.*)\r$/m.exec(request)?.[1];
    const { version } = this;
    const same = condition === version.etag || condition === Fickle.modified(version);
    if (this.character.ifRange && condition !== undefined && !same) return undefined;
    return { start: Number(first), end: last ? Number(last) + 1 : Infinity };
  }

  #whole(request: string): Answer {
    const { character, version: { body } } = this;
    const gzip = character.gzip && /^Accept-Encoding:.*gzip/m.test(request);
    const head = ["HTTP/1.1 200 OK", ...this.#validators("all")];
    if (gzip) head.push("Content-Encoding: gzip");
    return { head, body: gzip ? zlib.gzipSync(body) : body, framing: character.framing };
  }

  #end(total: number): Answer {
    const range = this.character.ends === "total" ? [`Content-Range: bytes */${total}`] : [];
    const head = ["HTTP/1.1 416 Range Not Satisfiable", ...range];
    return { head, body: new Uint8Array(), framing: "length" };
  }

  #validators(which: Character["repeats"]): string[] {
    const { character, version } = this;
    const fields = character.dates ? [`Date: ${new Date(this.#now * 1000).toUTCString()}`] : [];
    if (version.etag !== undefined && which !== "modified" && which !== "none") {
      fields.push(`ETag: ${version.etag}`);
      if (character.etags === "two") fields.push(`ETag: "${this.versions.length}"`);
    }
    if (character.modified && which !== "etag" && which !== "none") {
      fields.push(`Last-Modified: ${Fickle.modified(version)}`);
    }
    return fields;
  }

  /** Closes all. */
  async [Symbol.asyncDispose]() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
