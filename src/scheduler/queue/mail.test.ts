import { expect, it } from 'vitest';
import { post } from './mail.js';

it('refuses what is unsigned, altered or of no known kind, with warnings that repeat nothing of it', () => {
  const warnings: string[] = [];
  const mail = post('secret', (message) => warnings.push(message));
  const letter = mail.write('control', 'e', { kind: 'release', scope: 'app' });
  expect(mail.read('e', letter)).toEqual({ kind: 'control', value: { kind: 'release', scope: 'app' } });
  for (let k = 0; k < 5; k++) expect(mail.read('e', `EVIL\x1b[2J${k} mac {}`)).toBeUndefined();
  for (const kind of ['toString', '__proto__', '']) expect(mail.read('e', `${kind} mac {}`)).toBeUndefined();
  expect(warnings).toEqual([expect.stringMatching(/of no kind/)]);
  expect(mail.read('e', letter.replace('control', 'task'))).toBeUndefined();
  expect(mail.read('other', letter)).toBeUndefined();
  expect(warnings.join()).not.toContain('EVIL');
});
