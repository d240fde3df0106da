/**
 * The greeting from both sides, without a connection: {@linkcode Conversation} is the server's,
 * {@linkcode Replies} the client's. What is read goes in; what is to be said comes out.
 *
 * @module
 */
import { EXIT, TrioError } from "../mod.ts";
import { quoteDifference } from "./escapes.ts";

// --- The words -----------------------------------------------------------------

const encoder = new TextEncoder();

/** What the server says first. */
export const WELCOME: Uint8Array<ArrayBuffer> = encoder.encode("Welcome!");

const HELLO = encoder.encode("Hello, ");
const EXIT_WORD = encoder.encode("exit");
const NOTHING = new Uint8Array();
const LF = 0x0a, CR = 0x0d, BANG = 0x21;

/** The most bytes of a message that a newline has to end, if nothing else is said. */
export const MAX_MESSAGE = 65_536;

/** The right reply to a name. */
export function replyTo(name: string): string {
  return `Hello, ${name}!`;
}

/** A port, alone or behind a host. */
const PORT = /^(?:.*:)?(\d{1,5})$/s;

/** Other ways to say where a server is: addresses, a URL, and this machine. */
const PLACES = [
  /^\d{1,3}(\.\d{1,3}){3}$/,
  /^\[.*\]$|^[\da-f]*(:[\da-f.]*){2,}$/,
  /^[a-z][a-z\d+.-]*:\/\//,
  /^localhost$/,
];

/**
 * Whether a name is rather where a server is; also in the wide characters of a Chinese keyboard.
 *
 * `9999`, `db:5432`, `10.0.0.5`, `::1`, `http://db/`, `localhost` → true; `70000`, `a:b` → false
 */
export function looksLikeServer(name: string): boolean {
  const text = name.normalize("NFKC").trim().toLowerCase();
  return Number(PORT.exec(text)?.[1]) <= 65_535 || PLACES.some((place) => place.test(text));
}

// --- The server's side ---------------------------------------------------------

/**
 * The most bytes one read takes: as the tutorial's `recv(1024)`, so messages end where they
 * ended there, and an idle connection costs little.
 */
export const READ_BYTES = 1024;

/** A buffer with room for `size` bytes of messages; `Hello, ` is before and room for `!` behind. */
function newBuffer(size: number): Uint8Array<ArrayBuffer> {
  const buffer = new Uint8Array(HELLO.length + size + 1);
  buffer.set(HELLO);
  return buffer;
}

/** Where `byte` is, or `to`. A loop: messages are short, and `indexOf` would look behind them. */
function find(byte: number, buffer: Uint8Array, from: number, to: number): number {
  while (from < to && buffer[from] !== byte) from++;
  return from;
}

/** How many times `byte` is there. */
function count(byte: number, buffer: Uint8Array, from: number, to: number): number {
  let count = 0;
  while ((from = find(byte, buffer, from, to) + 1) <= to) count++;
  return count;
}

function isExit(buffer: Uint8Array, from: number, to: number): boolean {
  return to - from === EXIT_WORD.length && EXIT_WORD.every((byte, i) => byte === buffer[from + i]);
}

/**
 * A conversation without its connection: what is read goes in, the replies come out.
 *
 * A newline (`\n` or `\r\n`) ends a message and its reply. Unless `lines`, so does the end of a
 * read, also behind a `\r`: that is then the message's, and a `\n` in the next read is an empty
 * line. To wait for the `\n` would leave a message that does end in `\r` without its reply.
 *
 * Nothing is decoded: the bytes of a message come back as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const conversation = new Conversation();
 * const { written } = new TextEncoder().encodeInto("Ada\r\nGrace", conversation.free);
 * const replies = conversation.answer(written);
 * assertEquals(new TextDecoder().decode(replies), "Hello, Ada!\r\nHello, Grace!");
 * assertEquals(conversation.messages, 2);
 * ```
 */
export class Conversation {
  /** The free part of the buffer, for the next read: behind `Hello, ` and what is not answered. */
  free: Uint8Array<ArrayBuffer>;
  /** How many messages the last replies answer. */
  messages = 0;
  /** Why no more messages are answered, if so. */
  end?: "exit" | "too long" | undefined;
  #buffer = newBuffer(READ_BYTES);
  #reply: Uint8Array<ArrayBuffer> = NOTHING;
  #lines: boolean;
  #limit: number;

  /** If `lines`, only a newline or EOF ends a message, of `maxMessage` bytes at most. */
  constructor(lines = false, maxMessage = MAX_MESSAGE) {
    this.#lines = lines;
    this.#limit = lines ? maxMessage : Infinity;
    this.free = this.#buffer.subarray(HELLO.length, -1);
  }

  /**
   * Takes the `n` bytes that were read into `free`, or null for EOF, and returns the replies.
   * These are good until the next read.
   */
  answer(n: number | null): Uint8Array<ArrayBuffer> {
    const from = this.free.byteOffset, end = from + (n ?? 0);
    this.messages = 0;
    if (this.end || end === HELLO.length) return NOTHING;
    const newline = find(LF, this.#buffer, from, end), eof = n === null;
    // A read that is one message, or a part of one: nearly all are.
    if (newline >= end - 1) return this.#answerOne(newline, end, eof);
    return this.#answerAll(from, end, eof);
  }

  /** Makes the reply where the message lies: `Hello, ` is there, and room for the `!`. */
  #answerOne(newline: number, end: number, eof: boolean): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer, start = HELLO.length;
    const stop = this.#messageEnd(start, newline, end, eof);
    if (stop < 0) {
      this.#keep(start, end);
      return NOTHING;
    }
    if (stop < end) buffer.copyWithin(stop + 1, stop, end); // the newline
    buffer[stop] = BANG;
    this.messages = 1;
    this.#keep(end, end);
    // An array takes longer than all else here: that of a reply serves the next one of its length.
    if (this.#reply.length !== end + 1 || this.#reply.buffer !== buffer.buffer) {
      this.#reply = buffer.subarray(0, end + 1);
    }
    return this.#reply;
  }

  /** The replies to all messages in the buffer, of which the bytes before `from` have no newline. */
  #answerAll(from: number, end: number, eof: boolean): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    const most = 1 + count(LF, buffer, from, end); // messages
    const replies = new Uint8Array(end + most * (HELLO.length + 1));
    let start = HELLO.length, length = 0;
    while (start < end) {
      const newline = find(LF, buffer, Math.max(start, from), end);
      let stop = this.#messageEnd(start, newline, end, eof);
      if (stop < 0) break;
      replies.set(HELLO, length);
      replies.set(buffer.subarray(start, stop), length += HELLO.length);
      length += stop - start;
      replies[length++] = BANG;
      start = Math.min(newline + 1, end);
      while (stop < start) replies[length++] = buffer[stop++]!; // the newline
      this.messages++;
    }
    this.#keep(start, end);
    return replies.subarray(0, length);
  }

  /**
   * Where the message from `start` to `newline` ends; `newline` is `end` if there is none.
   * -1 if it is not complete, or the last one: it is not answered.
   */
  #messageEnd(start: number, newline: number, end: number, eof: boolean): number {
    const whole = newline < end, cut = !whole && (eof || !this.#lines);
    const cr = !cut && newline > start && this.#buffer[newline - 1] === CR;
    const stop = cr ? newline - 1 : newline;
    if (stop - start > this.#limit) this.end = "too long";
    else if (!whole && !cut) return -1;
    else if (isExit(this.#buffer, start, stop)) this.end = "exit";
    return this.end ? -1 : stop;
  }

  /** Keeps what is not answered, if there will be an answer, with space for a read behind it. */
  #keep(start: number, end: number) {
    if (this.end) start = end;
    if (start === end && this.free.byteOffset === HELLO.length) return;
    const kept = this.#buffer.subarray(start, end), behind = HELLO.length + kept.length;
    const full = behind === this.#buffer.length - 1;
    const large = !kept.length && this.#buffer.length > 2 * READ_BYTES;
    if (full || large) {
      this.#buffer = newBuffer(Math.min(2 * kept.length, this.#limit) + READ_BYTES);
    }
    this.#buffer.set(kept, HELLO.length);
    this.free = this.#buffer.subarray(behind, -1).subarray(0, READ_BYTES);
  }
}

// --- The client's side -------------------------------------------------------

/** What is due from a server; `end` is nothing but the end of the connection. */
type Due = "welcome" | "begin" | "expect" | "end";

/**
 * Compares what a server says, in whatever pieces it comes, with what it has to say:
 *
 * ```text
 * welcome ──▶ begin ──▶ expect ──┐      Welcome!, then "Hello, " before the name is known,
 *               ▲────────────────┤      then all of "Hello, NAME!" once it is,
 *                                └──▶ end      and at last nothing
 * ```
 *
 * A read may bring more than is due: the rest waits for the next state. Of what came it keeps the
 * last piece at most.
 *
 * @example
 * ```ts
 * import { assert } from "jsr:@std/assert@^1.0.0";
 *
 * const text = new TextEncoder(), replies = new Replies("localhost:9999");
 * replies.take(text.encode("Welcome!Hello, A"));
 * replies.begin();
 * replies.expect(text.encode("Ada"));
 * assert(!replies.complete);
 * replies.take(text.encode("da!"));
 * assert(replies.complete);
 * ```
 */
export class Replies {
  #due: Due = "welcome";
  #bytes: Uint8Array;
  #got = 0; // of these bytes
  #rest: Uint8Array = NOTHING; // what came after them

  /** `welcome` is due first; errors name `where` the server is. */
  constructor(readonly where: string, welcome: Uint8Array = WELCOME) {
    this.#bytes = welcome;
  }

  /** Whether all that is due has come. */
  get complete(): boolean {
    return this.#got === this.#bytes.length;
  }

  /** Whether not even the beginning of the welcome has come. */
  get silent(): boolean {
    return this.#due === "welcome" && this.#got === 0;
  }

  /** Whether nothing has come since the last reply. */
  get idle(): boolean {
    return this.#due === "begin" && this.#got === 0;
  }

  /** Whether only the end is due. */
  get over(): boolean {
    return this.#due === "end";
  }

  /**
   * Takes what came while something was due.
   *
   * @throws {TrioError} 1 if that is wrong, as the methods below.
   */
  take(bytes: Uint8Array): void {
    this.#rest = bytes;
    this.#compare();
  }

  /** Turns to the next reply: `Hello, ` is due, whatever the name will be. */
  begin(): void {
    this.#due = "begin";
    this.#bytes = HELLO;
    this.#got = 0;
    this.#compare();
  }

  /** Makes all of the reply to a message due, now that it is known; its newline ends the reply. */
  expect(message: Uint8Array): void {
    const newline = message.at(-1) === LF ? 1 : 0, name = message.length - newline;
    const reply = new Uint8Array(HELLO.length + message.length + 1);
    reply.set(HELLO);
    reply.set(message, HELLO.length);
    reply[HELLO.length + name] = BANG;
    if (newline) reply[HELLO.length + name + 1] = LF;
    this.#due = "expect";
    this.#bytes = reply;
    this.#compare();
  }

  /** Makes nothing due any more. */
  end(): void {
    this.#due = "end";
    this.#compare();
  }

  #compare(): void {
    const due = this.#bytes, rest = this.#rest;
    if (this.over && this.#got + rest.length > 0) throw this.#unexpected();
    const n = Math.min(rest.length, due.length - this.#got);
    for (let i = 0; i < n; i++) {
      if (rest[i] !== due[this.#got + i]) throw this.#unexpected();
    }
    this.#got += n;
    this.#rest = n === rest.length ? NOTHING : rest.subarray(n);
  }

  /** Says what came instead of what was due, and what that looks like. */
  #unexpected(): TrioError {
    const came = new Uint8Array(this.#got + this.#rest.length);
    came.set(this.#bytes.subarray(0, this.#got));
    came.set(this.#rest, this.#got);
    const [is, should] = quoteDifference(came, this.over ? NOTHING : this.#bytes);
    const message = `unexpected reply from ${this.where}: ${is} instead of ${
      this.over ? "the end" : should
    }`;
    return new TrioError(EXIT.unexpected, message, { topic: this.#cause(came) });
  }

  /** What is probably wrong, as the topic of an advice. */
  #cause(came: Uint8Array): string | undefined {
    if (this.#due === "welcome" && this.#bytes === WELCOME) return "no greeting";
    if (this.#due !== "expect") return undefined;
    let at = 0;
    while (came[at] === this.#bytes[at]) at++;
    if (came[at] === BANG && at > HELLO.length) return "name in pieces";
    return came[at] === LF && this.#bytes[at] === BANG ? "no lines" : undefined;
  }
}
