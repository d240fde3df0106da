/**
 * The greeting from both sides: bytes in, bytes out.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { Replies } from "../../client.ts";
import { TrioError } from "../../mod.ts";
import { Conversation } from "../../server.ts";
import { looksLikeServer } from "../../protocol/greeting.ts";
import { encode } from "../support/bytes.ts";
import { anyCharacter, fc } from "../support/fuzz.ts";

/** Puts `bytes`, which must fit, where the next read goes, and returns the replies to them. */
function hear(conversation: Conversation, bytes: Uint8Array): Uint8Array {
  conversation.free.set(bytes);
  return conversation.answer(bytes.length);
}

/** What is not answered lies between `Hello, ` and the next read. */
function unanswered({ free }: Conversation): string {
  return new TextDecoder().decode(new Uint8Array(free.buffer, 0, free.byteOffset)).slice(7);
}

/** The replies to one read, how many, what is not answered, and why no more are. */
function greeted(words: string, lines = false, maxMessage?: number) {
  const conversation = new Conversation(lines, maxMessage);
  const replies = new TextDecoder().decode(hear(conversation, encode(words)));
  return [replies, conversation.messages, unanswered(conversation), conversation.end];
}

Deno.test("a reply ends as its message ended", () => {
  assertEquals(greeted("Ada"), ["Hello, Ada!", 1, "", undefined]);
  assertEquals(greeted("Ada\n"), ["Hello, Ada!\n", 1, "", undefined]);
  assertEquals(greeted("Ada\r\n"), ["Hello, Ada!\r\n", 1, "", undefined]);
  assertEquals(greeted("A\nB\r\n\nC"), [
    "Hello, A!\nHello, B!\r\nHello, !\nHello, C!",
    4,
    "",
    undefined,
  ]);
  assertEquals(greeted(""), ["", 0, "", undefined]);
});

Deno.test("an empty line is the empty name", () => {
  assertEquals(greeted("\n"), ["Hello, !\n", 1, "", undefined]);
  assertEquals(greeted("\r\n", true), ["Hello, !\r\n", 1, "", undefined]);
});

Deno.test("a CR that no LF follows is the message's", () => {
  assertEquals(greeted("A\rB\n"), ["Hello, A\rB!\n", 1, "", undefined]);
  assertEquals(greeted("Ada\r"), ["Hello, Ada\r!", 1, "", undefined]);
  assertEquals(greeted("A\r\r\n"), ["Hello, A\r!\r\n", 1, "", undefined]);
});

Deno.test("with lines, what no newline ends waits for more", () => {
  assertEquals(greeted("Ada\nGra", true), ["Hello, Ada!\n", 1, "Gra", undefined]);
  assertEquals(greeted("Gra", true), ["", 0, "Gra", undefined]);
  assertEquals(greeted("Grace\r", true), ["", 0, "Grace\r", undefined]);
  assertEquals(greeted("exit", true), ["", 0, "exit", undefined]);
});

Deno.test("with lines, EOF ends a message, too", () => {
  const conversation = new Conversation(true);
  assertEquals(hear(conversation, encode("Grace\r")), new Uint8Array());
  assertEquals(conversation.answer(null), encode("Hello, Grace\r!"));
  assertEquals(hear(conversation, encode("exit")), new Uint8Array());
  assertEquals(conversation.answer(null), new Uint8Array());
  assertEquals(conversation.end, "exit");
});

Deno.test("what comes before exit is answered and nothing behind it", () => {
  assertEquals(greeted("exit"), ["", 0, "", "exit"]);
  assertEquals(greeted("A\nexit\r\nB"), ["Hello, A!\n", 1, "", "exit"]);
  for (const name of ["exit!", " exit", "EXIT", "exi", "exit\r"]) {
    assertEquals(greeted(name), [`Hello, ${name}!`, 1, "", undefined]);
  }
});

Deno.test("nothing is answered after exit", () => {
  const conversation = new Conversation();
  assertEquals(hear(conversation, encode("exit")), new Uint8Array());
  assertEquals(hear(conversation, encode("Ada")), new Uint8Array());
  assertEquals(hear(conversation, encode("Ada\nBob\n")), new Uint8Array());
  assertEquals(conversation.end, "exit");
});

Deno.test("the bytes of a message count without its newline", () => {
  assertEquals(greeted("12345\r\n", true, 5), ["Hello, 12345!\r\n", 1, "", undefined]);
  assertEquals(greeted("12345\r", true, 5), ["", 0, "12345\r", undefined]);
  assertEquals(greeted("A\n123456", true, 5), ["Hello, A!\n", 1, "", "too long"]);
  assertEquals(greeted("123456\r\nB\n", true, 5), ["", 0, "", "too long"]);
  assertEquals(greeted("小明\n", true, 5)[3], "too long"); // bytes, not characters
  assertEquals(greeted("123456", false, 5)[3], undefined);
});

Deno.test("the bytes of a message come back unchanged", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    fc.pre(!bytes.includes(10) && new TextDecoder().decode(bytes) !== "exit" && bytes.length > 0);
    const expected = Uint8Array.from([...encode("Hello, "), ...bytes, 33]);
    assertEquals(hear(new Conversation(), bytes), expected);
  }));
});

Deno.test("a reply is that of its own message, also in a smaller buffer than the last one", () => {
  const conversation = new Conversation(true);
  const long = "x".repeat(1024);
  hear(conversation, encode(long));
  assertEquals(hear(conversation, encode("\nAd")), encode(`Hello, ${long}!\n`));
  assertEquals(hear(conversation, encode("a\n")), encode("Hello, Ada!\n"));
  assertEquals(hear(conversation, encode("Eve\n")), encode("Hello, Eve!\n"));
});

Deno.test("with lines, any split has the same replies", () => {
  const names = fc.constantFrom("Ada", "小明", "", "a\rb", "exi", "x".repeat(40), "y".repeat(5000));
  const ends = fc.infiniteStream(fc.constantFrom("\n", "\r\n"));
  const sizes = fc.infiniteStream(
    fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(700, 5000)),
  );
  fc.assert(fc.property(fc.array(names), ends, sizes, (names, ends, sizes) => {
    const lines = names.map((name) => [name, ends.next().value!]);
    const bytes = encode(lines.map((it) => it.join("")).join(""));
    const conversation = new Conversation(true);
    const replies: number[] = [];
    for (let at = 0, size; at < bytes.length; at += size) {
      size = Math.min(sizes.next().value!, conversation.free.length, bytes.length - at);
      assert(size > 0, "no space for a read");
      replies.push(...hear(conversation, bytes.subarray(at, at + size)));
    }
    assertEquals(unanswered(conversation), "");
    assert(conversation.free.buffer.byteLength < 2000, "holds on to the buffer of a long line");
    const expected = lines.map(([name, newline]) => `Hello, ${name}!${newline}`).join("");
    assertEquals(new TextDecoder().decode(Uint8Array.from(replies)), expected);
  }));
});

Deno.test("looksLikeServer knows ports, addresses and URLs, and lets names be names", () => {
  const servers = ["9999", "0", "65535", "localhost:9999", "db.example:5432", "[::1]:80", ":80"];
  const others = ["localhost", "10.0.0.5", "::1", "[::1]", "fe80::1", "http://db/", "tcp://db:1"];
  for (const name of [...servers, ...others, "localhost：9999", "９９９９", " 9999 "]) {
    assert(looksLikeServer(name), name);
  }
  const names = [
    "Ada",
    "小明",
    "70000",
    "a:b",
    "123456",
    "12:",
    "R2D2",
    "a: 1",
    "-",
    "3.14",
    "",
    ":)",
  ];
  for (const name of [...names, "Dr. No", "https", "v1.2.3"]) assert(!looksLikeServer(name), name);
});

Deno.test("Replies says the same of the same bytes in any pieces", () => {
  const word = fc.string({ unit: anyCharacter, maxLength: 20 })
    .map((name) => name.replace(/\n$/, ""));
  fc.assert(fc.property(
    fc.array(word, { maxLength: 5 }),
    fc.array(fc.nat(12)),
    fc.option(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 255 }))),
    fc.boolean(),
    (names, sizes, damage, lines) => {
      const newline = lines ? "\n" : "";
      const all = names.map((name) => `Hello, ${name}!${newline}`);
      const bytes = encode(`Welcome!${all.join("")}`);
      const at = damage ? damage[0] % bytes.length : bytes.length;
      if (damage) bytes[at] = bytes[at]! ^ damage[1];
      const replies = new Replies("here");
      let sent = 0, done = 0;
      const converse = () => {
        const receive = () => {
          while (!replies.complete) {
            const end = Math.min(bytes.length, sent + 1 + (sizes[sent % sizes.length] ?? 99));
            replies.take(bytes.slice(sent, sent = end));
          }
        };
        receive();
        for (const name of names) {
          replies.begin();
          receive();
          replies.expect(encode(name + newline));
          receive();
          done++;
        }
      };
      if (!damage) return converse();
      assertThrows(converse, TrioError, "unexpected reply from here");
      const before = `Welcome!${all.slice(0, done + 1).join("")}`;
      assert(at < encode(before).length, "wrong bytes passed");
    },
  ));
});
