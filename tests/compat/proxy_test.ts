/**
 * fetch.ts through tinyproxy, which has nginx behind it.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { type Certificates, certificatesOfFile } from "../support/certificates.ts";
import { Folder } from "../support/folder.ts";
import { type Peer, startPeer, testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { closedPort } from "../support/servers.ts";
import {
  assertFile,
  boundedFetch,
  byCommand,
  byLibrary,
  curl,
  download,
  downloadAll,
} from "./download.ts";
import { serveSite } from "./http_servers.ts";
import { PROXIES, type ProxyExercise } from "./matrix.ts";
import { siteOfFile } from "./site.ts";

/** What a test has: a proxy, URLs behind it, and a folder to save into. */
interface Scene {
  tinyproxy: Peer;
  http: string;
  https: string;
  bytes: Uint8Array;
  certificates: Certificates;
  folder: Folder;
}

function startTinyproxy(password: string): Promise<Peer> {
  return startPeer(async (folder, port) => {
    const configuration = `${folder}/tinyproxy.conf`;
    await Deno.writeTextFile(
      configuration,
      `
Port ${port}
Listen 127.0.0.1
Allow 127.0.0.1
LogLevel Connect
${password ? `BasicAuth Michael ${password}` : ""}
`,
    );
    return { command: ["tinyproxy", "-d", "-c", configuration] };
  });
}

const PASSWORD = "Tracy123";

/** Waits until tinyproxy has logged this request so often. */
async function asked({ running }: Peer, request: string, times: number) {
  const line = RegExp.escape(`${request} HTTP/1.1`);
  await running.heard("stdout", new RegExp(`(${line}[^]*){${times}}`));
}

/**
 * Both must fail with `code`, which curl has for a refused CONNECT always, and
 * for an answer of 400 or more with `--fail`; fetch.ts must say the status.
 */
async function bothFail(folder: Folder, url: string, status: RegExp, proxy: string) {
  const secure = url.startsWith("https:");
  const ours = await byLibrary.get(folder, url, { retry: 0, proxy });
  const fail = secure ? [] : ["--fail"];
  const theirs = await curl(folder, ...fail, "--proxy", proxy, url);
  assertEquals(theirs.code, secure ? 56 : 22, theirs.stderr);
  assertEquals(ours.code, theirs.code, ours.stderr);
  assertMatch(ours.stderr, status);
}

const EXERCISES: Record<ProxyExercise, (scene: Scene) => Promise<void>> = {
  async "http: the whole URL is asked"({ tinyproxy, http, bytes, folder }) {
    const proxy = `http://127.0.0.1:${tinyproxy.port}`;
    await download(folder, byCommand, { url: http, bytes, asked: { proxy } });
    await asked(tinyproxy, `GET ${http}`, 2);
  },
  async "https: CONNECT"({ tinyproxy, https, bytes, folder, certificates }) {
    const proxy = `http://127.0.0.1:${tinyproxy.port}`;
    const options = { proxy, cacert: certificates.ca };
    await download(folder, byLibrary, { url: https, bytes, asked: options });
    await asked(tinyproxy, `CONNECT ${new URL(https).host}`, 2);
  },
  async "credentials"(scene) {
    const { tinyproxy, http, https, bytes, certificates, folder } = scene;
    const proxy = `http://Michael:${PASSWORD}@127.0.0.1:${tinyproxy.port}`;
    const args = ["--proxy", proxy, "--cacert", certificates.ca];
    const cacert = certificates.ca;
    const gets = [http, https].map((url) => ({ url, bytes, asked: { proxy, cacert } }));
    await downloadAll(folder, byLibrary, gets);
    const outputs = ["--output=verbose-0", "--output=verbose-1"];
    const { stderr } = await boundedFetch(folder, "--verbose", ...args, ...outputs, http, https);
    assertEquals(stderr.match(/Proxy-Authorization: /g)?.length, 2);
    assertEquals(stderr.includes(PASSWORD), false);
    assertEquals(stderr.includes(btoa(`Michael:${PASSWORD}`)), false);
  },
  async "wrong credentials"({ tinyproxy, http, https, folder }) {
    const proxy = `http://Michael:wrong@127.0.0.1:${tinyproxy.port}`;
    for (const url of [http, https]) {
      await bothFail(folder, url, /^fetch: .*40[17].*\n$/, proxy);
    }
  },
  async "a server that is down behind it"({ tinyproxy, folder }) {
    const proxy = `http://127.0.0.1:${tinyproxy.port}`;
    const host = `127.0.0.1:${closedPort()}`;
    for (const url of [`http://${host}/`, `https://${host}/`]) {
      await bothFail(folder, url, /^fetch: .*50\d.*\n$/, proxy);
    }
  },
  async "`http_proxy`, `https_proxy` and `no_proxy`"(scene) {
    const { tinyproxy, http, https, bytes, certificates, folder } = scene;
    const download = async (env: Record<string, string>, ...urls: string[]) => {
      const files = urls.map((_, n) => `by-env-${n}`);
      const outputs = files.map((file) => `--output=${file}`);
      const args = [...outputs, "--cacert", certificates.ca, ...urls];
      const { code, stderr } = await runScript("fetch.ts", args, {
        cwd: folder.path,
        env: { http_proxy: "", https_proxy: "", no_proxy: "", ...env },
      });
      assertEquals(code, 0, stderr);
      for (const file of files) await assertFile(folder.file(file), bytes);
    };
    const proxy = `http://127.0.0.1:${tinyproxy.port}`;
    const nothing = `http://127.0.0.1:${closedPort()}`;
    await download({ http_proxy: proxy, https_proxy: nothing }, http);
    await asked(tinyproxy, `GET ${http}`, 1);
    await download({ http_proxy: nothing, https_proxy: proxy }, https);
    await asked(tinyproxy, `CONNECT ${new URL(https).host}`, 1);
    const neither = { http_proxy: nothing, https_proxy: nothing };
    await download({ ...neither, no_proxy: "127.0.0.1" }, http, https);
  },
};

const madeSite = siteOfFile(), madeCertificates = certificatesOfFile();

for (const { peer, needs, exercised } of PROXIES) {
  testPeer(`fetch.ts goes through ${peer} as curl does`, [...needs, "curl"], async (t) => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(new Folder("fetch"));
    const { folder: site, files } = madeSite(), certificates = madeCertificates();
    const tls = { chain: certificates.good, version: "1.3" } as const;
    const plain = stack.use(await serveSite("nginx", { site }));
    const secure = stack.use(await serveSite("nginx", { site, tls }));
    const behind = {
      http: `http://127.0.0.1:${plain.port}/small.txt`,
      https: `https://127.0.0.1:${secure.port}/small.txt`,
      bytes: files["small.txt"]!,
    };
    const password = peer === "tinyproxy" ? "" : PASSWORD;
    for (const name of exercised) {
      await t.step(name, async () => {
        await using tinyproxy = await startTinyproxy(password);
        await EXERCISES[name]({ tinyproxy, ...behind, certificates, folder });
      });
    }
  });
}
