import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const guides = ['README.md', 'CONTRIBUTING.md', ...markdownBelow('docs')];

function markdownBelow(directory: string): string[] {
  const names = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.md')).map((name) => join(directory, name));
}

it.each(guides)('%s is finished, and what it links to exists', (guide) => {
  const text = readFileSync(join(root, guide), 'utf8');
  expect(text).not.toContain('@@');
  const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)|src="([^":]+)"/g)].map(
    ([, link, image]) => link ?? image!,
  );
  const missing = links.filter((link) => !existsSync(join(root, dirname(guide), link)));
  expect(missing).toEqual([]);
});
