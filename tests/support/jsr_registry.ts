/**
 * A JSR registry on loopback, for `JSR_URL`: it has this project's package and those that are
 * linked from std/.
 *
 * @module
 */
import { ROOT } from "./process.ts";
import { urlOf } from "./servers.ts";

/** What a `deno.json` says of its package. */
interface Config {
  name: string;
  version: string;
  exports: string | Record<string, string>;
  links?: string[];
}

async function readConfig(folder: string): Promise<Config> {
  return JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
}

/** The paths of the modules in a folder, those of tests and the like not among them. */
function modulesIn(folder: string): string[] {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const own = names.filter((name) => name.endsWith(".ts"));
  const others = names.includes("protocol") ? modulesIn(`${folder}/protocol`) : [];
  return [...own, ...others.map((name) => `protocol/${name}`)];
}

/** What a registry says of a version: its exports, the sizes and checksums of its files. */
async function versionMeta({ exports }: Config, folder: string, modules: string[]) {
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const path of modules) {
    const bytes = await Deno.readFile(`${folder}/${path}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${digest.toHex()}` };
  }
  return { manifest, exports: typeof exports === "string" ? { ".": exports } : exports };
}

/** The registry; disposing of it ends it. */
export class JsrRegistry implements AsyncDisposable {
  /** The paths that were asked for. */
  readonly asked: string[] = [];
  /** What it has, by the paths of the URLs: an object, or the path of a file. */
  readonly #resources = new Map<string, unknown>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => this.#answer(new URL(request.url).pathname),
  );

  /** Starts it. */
  static async start(): Promise<JsrRegistry> {
    const registry = new JsrRegistry();
    const { links = [] } = await readConfig(ROOT);
    for (const folder of [ROOT, ...links.map((link) => ROOT + link)]) await registry.#add(folder);
    return registry;
  }

  /** What `JSR_URL` is then. */
  get url(): string {
    return urlOf(this.#server.addr);
  }

  /** Has the package of a folder, in the only version there is. */
  async #add(folder: string) {
    const config = await readConfig(folder), { name, version } = config;
    const modules = modulesIn(folder);
    this.#resources.set(`/${name}/meta.json`, { latest: version, versions: { [version]: {} } });
    this.#resources.set(
      `/${name}/${version}_meta.json`,
      await versionMeta(config, folder, modules),
    );
    for (const path of modules) {
      this.#resources.set(`/${name}/${version}/${path}`, `${folder}/${path}`);
    }
  }

  async #answer(path: string): Promise<Response> {
    this.asked.push(path);
    const resource = this.#resources.get(path);
    if (resource === undefined) return new Response("there is no such thing", { status: 404 });
    if (typeof resource !== "string") return Response.json(resource);
    const headers = { "content-type": "application/typescript" };
    return new Response(await Deno.readFile(resource), { headers });
  }

  /** Ends it. */
  async [Symbol.asyncDispose]() {
    await this.#server.shutdown();
  }
}
