import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { BlockRef, Blocks } from '../protocol/block.js';
import type { SlotContext } from '../protocol/program.js';

/** A file of `sheaf.files` on its way to the slots. */
export interface ShippedFile {
  readonly name: string;
  readonly block: BlockRef;
}

/** Name to local path. On the global object, because a function shipped by value has a copy of this module's variables. */
type FilePaths = ReadonlyMap<string, string>;
const REGISTRY = Symbol.for('sheaf.files');

/**
 * The local path of a file given by `--files` (`sheaf.files`), by its base name: in tasks a copy in the slot's own
 * directory, in the driver the file itself.
 * There once a SheafContext is: to be called in functions, not in a module's top level.
 * @throws Error that lists the names when there is no such file
 * @example lines.mapPartitions((rows) => { const words = readFileSync(filePath('stopwords.txt'), 'utf8'); … })
 */
export function filePath(name: string): string {
  const paths: FilePaths | undefined = (globalThis as any)[Symbol.for('sheaf.files')];
  const path = paths?.get(name);
  if (path !== undefined) return path;
  if (!paths)
    throw new Error(
      `filePath("${name}"): no SheafContext is there yet; call it in a function, not in a module's top level`,
    );
  const known = paths.size > 0 ? `the files are ${[...paths.keys()].join(', ')}` : 'no files were given';
  throw new Error(`filePath: there is no file "${name}"; ${known} (--files, or sheaf.files)`);
}

/** Makes files known to `filePath` in this process; undefined: there are none to know of. */
export function provideFiles(paths: FilePaths | undefined): void {
  (globalThis as any)[REGISTRY] = paths;
}

/** The files a setting names, checked. @param setting comma-separated paths @throws Error naming what is missing, no file, or of a name used twice */
export function listJobFiles(setting: string): FilePaths {
  const files = new Map<string, string>();
  for (const given of setting.split(',').map((each) => each.trim())) {
    if (given === '') continue;
    const path = resolve(given);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile())
      throw new Error(`sheaf.files: ${given} is ${stat ? 'no file' : 'missing'} (looked for ${path})`);
    const name = basename(path);
    const other = files.get(name);
    if (other !== undefined && other !== path)
      throw new Error(`sheaf.files: ${other} and ${path} have one name; tasks read files by name`);
    files.set(name, path);
  }
  return files;
}

/** Puts the files into blocks that live as long as `scope`. */
export async function shipFiles(files: FilePaths, scope: string, blocks: Blocks): Promise<ShippedFile[]> {
  const shipped: ShippedFile[] = [];
  for (const [name, path] of files)
    shipped.push({ name, block: await blocks.put(`file:${name}`, scope, readFileSync(path), { code: true }) });
  return shipped;
}

/** Copies files into a slot's directory, once a slot, until their scope ends. */
export async function receiveFiles(files: readonly ShippedFile[], slot: SlotContext): Promise<FilePaths> {
  if (files.length === 0) return new Map();
  const { scope } = files[0]!.block;
  const id = `files:${scope}`;
  const received = slot.residents.get<FilePaths>(id);
  if (received) return received;
  const directory = join(slot.directory, 'files', scope);
  mkdirSync(directory, { recursive: true });
  const paths = new Map<string, string>();
  for (const { name, block } of files) {
    const path = join(directory, name);
    writeFileSync(path, await slot.blocks.get(block));
    paths.set(name, path);
  }
  return slot.residents.set<FilePaths>(id, scope, paths, () => rmSync(directory, { recursive: true, force: true }));
}
