/**
 * The greeting from both sides, without a connection: {@linkcode Conversation} is the server's,
 * {@linkcode Replies} the client's. What is read goes in; what is to be said comes out.
 *
 * @module
 */
import { EXIT, printable, TrioError } from "../mod.ts";

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

/**
 * A conversation without its connection: what is read goes in, the replies come out.
 *
 * A newline (`\n` or `\r\n`) ends a message and its reply. Unless `lines`, so does the end of a
 * read, also behind a `\r`: that is then the message's, and a `\n` in the next read is an empty
 * line. To wait for the `\n` would leave a message that does end in `\r` without its reply.
 *
 * Nothing is decoded. A read that is one message becomes its reply where it lies: `Hello, ` is
 * before it in the buffer, and there is room for `!`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const conversation = new Conversation();
 * const { written } = new TextEncoder().encodeInto("Ada\r\nGrace", conversation.space);
 * const replies = conversation.hear(written);
 * assertEquals(new TextDecoder().decode(replies), "Hello, Ada!\r\nHello, Grace!");
 * assertEquals(conversation.messages, 2);
 * ```
 */
export class Conversation {
  /** Where the next read goes: behind `Hello, ` and what is not answered. */
  space: Uint8Array<ArrayBuffer>;
  /** How many messages the last replies answer. */
  messages = 0;
  /** Why no more messages are answered, if so. */
  end?: "exit" | "too long" | undefined;
  #buffer = newBuffer(READ_BYTES);
  #reply: Uint8Array<ArrayBuffer> = new Uint8Array();
  #lines: boolean;
  #limit: number;

  /** If `lines`, only a newline or EOF ends a message, of `maxMessage` bytes at most. */
  constructor(lines = false, maxMessage = MAX_MESSAGE) {
    this.#lines = lines;
    this.#limit = lines ? maxMessage : Infinity;
    this.space = this.#buffer.subarray(HELLO.length, -1);
  }

  /**
   * Takes the `n` bytes that were read into `space`, or null for EOF, and returns the replies.
   * These are good until the next read.
   */
  hear(n: number | null): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer, from = this.space.byteOffset, end = from + (n ?? 0);
    const cut = n === null || !this.#lines;
    const replies = roomFor(buffer, from, end);
    let start = HELLO.length, at = 0;
    this.messages = 0;
    while (start < end && !this.end) {
      const newline = find(LF, buffer, Math.max(start, from), end), whole = newline < end;
      const cr = newline > start && buffer[newline - 1] === CR && (whole || !cut);
      const stop = cr ? newline - 1 : newline;
      if (stop - start > this.#limit) this.end = "too long";
      if (this.end || (!whole && !cut)) break;
      if (isExit(buffer, start, stop)) this.end = "exit";
      else {
        if (replies !== buffer) {
          replies.set(HELLO, at);
          replies.set(buffer.subarray(start, stop), at + HELLO.length);
        }
        at += HELLO.length + stop - start;
        replies[at++] = BANG;
        if (cr) replies[at++] = CR;
        if (whole) replies[at++] = LF;
        this.messages++;
      }
      start = whole ? newline + 1 : end;
    }
    if (from > HELLO.length || start < end) this.#keep(start, end);
    if (replies !== buffer) return replies.subarray(0, at);
    // An array takes longer than all else here: that of a reply serves the next one of its length.
    if (this.#reply.length !== at || this.#reply.buffer !== buffer.buffer) {
      this.#reply = buffer.subarray(0, at);
    }
    return this.#reply;
  }

  /** Keeps what is not answered, with space for another read behind it. */
  #keep(start: number, end: number) {
    const kept = this.#buffer.subarray(start, end), behind = HELLO.length + kept.length;
    const full = behind === this.#buffer.length - 1;
    const large = !kept.length && this.#buffer.length > 2 * READ_BYTES;
    if (full || large) {
      this.#buffer = newBuffer(Math.min(2 * kept.length, this.#limit) + READ_BYTES);
    }
    this.#buffer.set(kept, HELLO.length);
    this.space = this.#buffer.subarray(behind, -1).subarray(0, READ_BYTES);
  }
}

/** Where the replies go: `buffer` itself if that holds one message, else a new array. */
function roomFor(
  buffer: Uint8Array<ArrayBuffer>,
  from: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  let more = 0;
  for (let at = from; (at = find(LF, buffer, at, end) + 1) < end;) more++;
  return more ? new Uint8Array(end + 1 + more * (HELLO.length + 1)) : buffer;
}

/** Where `byte` is, or `to`. A loop: messages are short, and `indexOf` would look behind them. */
function find(byte: number, buffer: Uint8Array, from: number, to: number): number {
  while (from < to && buffer[from] !== byte) from++;
  return from;
}

function isExit(buffer: Uint8Array, from: number, to: number): boolean {
  return to - from === EXIT_WORD.length && EXIT_WORD.every((byte, i) => byte === buffer[from + i]);
}

/**
 * Compares what a server says, in whatever pieces it comes, with what it has
 * to say. Of what came it keeps the last piece at most.
 *
 * @example
 * ```ts
 * import { assert } from "jsr:@std/assert@^1.0.0";
 *
 * const text = new TextEncoder(), replies = new Replies("localhost:9999");
 * replies.take(text.encode("Welcome!Hello, A"));
 * replies.begin();
 * replies.expect("Hello, Ada!");
 * assert(!replies.complete);
 * replies.take(text.encode("da!"));
 * assert(replies.complete);
 * ```
 */
export class Replies {
  #due: Uint8Array = WELCOME;
  #got = 0; // bytes of what is due
  #rest: Uint8Array = NOTHING; // what came after that
  #over = false;

  /** The welcome is due first; errors name `where` the server is. */
  constructor(readonly where: string) {}

  /** Whether all that is due has come. */
  get complete(): boolean {
    return this.#got === this.#due.length;
  }

  /** Whether not even the beginning of the welcome has come. */
  get silent(): boolean {
    return this.#due === WELCOME && this.#got === 0;
  }

  /** Whether nothing is due any more. */
  get over(): boolean {
    return this.#over;
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
    this.#due = HELLO;
    this.#got = 0;
    this.#compare();
  }

  /** Makes all of the reply due, now that the name is known. */
  expect(reply: string): void {
    this.#due = encoder.encode(reply);
    this.#compare();
  }

  /** Makes nothing due any more. */
  end(): void {
    this.#over = true;
    this.#compare();
  }

  #compare(): void {
    const part = this.#rest.subarray(0, this.#due.length - this.#got);
    const wrong = this.#over
      ? this.#got + this.#rest.length > 0
      : part.some((byte, i) => byte !== this.#due[this.#got + i]);
    if (wrong) throw this.#unexpected();
    this.#got += part.length;
    this.#rest = this.#rest.subarray(part.length);
  }

  #unexpected(): TrioError {
    const came = new Uint8Array(this.#got + this.#rest.length);
    came.set(this.#due.subarray(0, this.#got));
    came.set(this.#rest, this.#got);
    const what = difference(came, this.#over ? NOTHING : this.#due);
    return new TrioError(EXIT.unexpected, `unexpected reply from ${this.where}: ${what}`);
  }
}

/** Says what came instead of what was due, and what may help. */
function difference(came: Uint8Array, due: Uint8Array): string {
  const decoder = new TextDecoder();
  const is = decoder.decode(came), should = decoder.decode(due);
  let at = 0;
  while (at < is.length && is[at] === should[at]) at++;
  const from = at > 30 ? at - 15 : 0; // shows where a long reply goes wrong
  const wanted = should ? quote(should, from) : "the end";
  const hint = due === WELCOME
    ? " (is this a greeting server?)"
    : is[at] === "!" && at > HELLO.length
    ? " (only a part of the name was answered: try --lines on both sides)"
    : is[at] === "\n" && should[at] === "!"
    ? " (the server does not know lines: try without --lines)"
    : "";
  return `${quote(is, from)} instead of ${wanted}${hint}`;
}

/** Quotes `text` from `from` on, printable and at most a part of a line. */
export function quote(text: string, from = 0): string {
  const most = 40;
  const shown = printable(text.slice(from, from + most + 1)).replaceAll("\n", "\\n");
  const end = shown.length > most ? "…" : "";
  return `"${from ? "…" : ""}${shown.slice(0, most)}${end}"`;
}
