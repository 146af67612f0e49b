import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SourceError } from '../../rdd/sources/source.js';
import { placeOf } from './model-folder.js';

/** A local file, whole or not at all. @throws SourceError when it exists and is not to be replaced */
export async function writeWhole(path: string, content: Uint8Array | string, overwrite = false): Promise<void> {
  const place = placeOf(path);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(place))
    throw new SourceError(`${path}: this can be written to a local file only`);
  await fs.mkdir(dirname(place), { recursive: true });
  const temporary = join(dirname(place), `.${basename(place)}.${randomBytes(6).toString('hex')}`);
  try {
    await fs.writeFile(temporary, content, { flush: true });
    // A link, unlike a renaming, never replaces anything.
    if (overwrite) await fs.rename(temporary, place);
    else await fs.link(temporary, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new SourceError(`${path} exists already: write to another path, or replace it with { overwrite: true }`);
  } finally {
    await fs.rm(temporary, { force: true });
  }
}
