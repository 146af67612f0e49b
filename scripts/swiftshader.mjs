#!/usr/bin/env node
/**
 * SwiftShader, a Vulkan device in software, with the Vulkan loader: what tests of WebGPU compute on where there is no GPU.
 * `@sparticuz/chromium` carries both for x86-64 (2 of its 70 MB; Debian's chromium is 81 MB, and Dawn refuses the lavapipe
 * of Debian 12). Kept in the cache, not in node_modules: `npm pack` fetches the package, its hash is checked here.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { attempt, isMain, need, Shortfall, say, tail, which } from './system.mjs';
import { cached, cacheRoot } from './wheel.mjs';

const PACKAGE = '@sparticuz/chromium';
const VERSION = '153.0.0';
const SHA512 = 'jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==';
const PART = 'package/bin/swiftshader.tar.br';

/** Where it is, or is to be. */
export const swiftShaderFolder = (env = process.env) => join(cacheRoot(env), `swiftshader-${VERSION}`);

/** Folder with `libvulkan.so.1` and `vk_swiftshader_icd.json`. @throws Shortfall */
export function ensureSwiftShader() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Shortfall(
      `SwiftShader is not fetched for ${process.platform} ${process.arch}`,
      'test WebGPU on Linux x86-64',
    );
  return cached(swiftShaderFolder(), (folder) => {
    need(() => which('tar'), ['tar'], 'tar is missing');
    say(`downloading SwiftShader ${VERSION}, for the tests of WebGPU (70 MB, once; 8 MB are kept)`);
    const wanted = `${PACKAGE}@${VERSION}`;
    const packed = attempt('npm', ['pack', '--silent', '--pack-destination', folder, wanted], { cwd: folder });
    if (!packed.ok) throw new Shortfall(`npm could not fetch ${wanted}: ${tail(packed.stderr)}`, 'check the network');
    const archive = join(folder, packed.stdout.trim().split('\n').at(-1));
    if (createHash('sha512').update(readFileSync(archive)).digest('base64') !== SHA512)
      throw new Shortfall(`${wanted} is not what was published: its hash is another`, 'check the registry npm uses');
    const inside = join(folder, 'package');
    mkdirSync(inside);
    unpack(['-xzf', archive, '-C', inside, '--strip-components=2', PART]);
    const files = brotliDecompressSync(readFileSync(join(inside, 'swiftshader.tar.br')));
    unpack(['-x', '-C', inside], files);
    for (const name of ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'])
      renameSync(join(inside, name), join(folder, name));
    rmSync(inside, { recursive: true });
    rmSync(archive);
  });
}

function unpack(args, input) {
  const done = attempt('tar', args, { input });
  if (!done.ok) throw new Shortfall(`cannot unpack ${PACKAGE}: ${tail(done.stderr)}`, 'df -h');
}

if (isMain(import.meta.url)) say(`SwiftShader is in ${ensureSwiftShader()}`);
