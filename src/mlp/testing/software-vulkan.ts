import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

/** glibc's: the library stays when Node closes what is no add-on. */
const RTLD_NODELETE = 0x1000;

/**
 * Makes the software GPU of the cache (`scripts/swiftshader.mjs`) the one that WebGPU finds in this process and its children.
 * @throws Error when it has not been fetched
 */
export async function softwareVulkan(): Promise<void> {
  const script = new URL('../../../scripts/swiftshader.mjs', import.meta.url).href;
  const folder: string = (await import(script)).swiftShaderFolder();
  const loader = join(folder, 'libvulkan.so.1');
  if (!existsSync(loader)) throw new Error(`${loader} is missing: node scripts/swiftshader.mjs fetches it`);
  process.env.VK_DRIVER_FILES = join(folder, 'vk_swiftshader_icd.json');
  process.env.LD_LIBRARY_PATH = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  // Children find the loader by their environment; here Dawn finds it because a library of its name is loaded.
  try {
    process.dlopen({ exports: {} }, loader, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // Node misses an add-on in it.
  }
}
