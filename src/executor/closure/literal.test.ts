import { expect, test } from 'vitest';
import { parseLiteral } from './literal.js';

test.each<[text: string, form: string]>([
  ['x => x', 'expression'],
  ['async function* f() {}', 'expression'],
  ['class A {}', 'expression'],
  ['m(x) { return x; }', 'method'],
  ['async *m() {}', 'method'],
  ['"a b"() {}', 'method'],
  ['get(x) { return x; }', 'method'],
  ['get x() { return 1; }', 'get'],
  ['set x(v) {}', 'set'],
])('the form of %s', (text, form) => {
  expect(parseLiteral(text)).toMatchObject({ form, text, isClass: text.startsWith('class') });
});

test('what only the original place can say is replaced, in its length', () => {
  expect(parseLiteral('async () => (await import("x")).y + import.meta.url').text).toBe(
    'async () => (await $imprt("x")).y + $importMeta.url',
  );
  expect(parseLiteral('[Symbol.iterator]() {}')).toMatchObject({ form: 'method', text: '[0              ]() {}' });
});

test('a superclass is a free name', () => {
  expect(parseLiteral('class A extends B {}').heritage).toBe('B');
  expect(parseLiteral('class A extends mixin(B) {}')).toMatchObject({
    heritage: '$S',
    text: 'class A extends $S       {}',
  });
  expect([...parseLiteral('class A extends mixin(B) {}').analysis.free.keys()]).toEqual(['$S']);
});

test.each(['#m() {}', 'function () { [native code] }'])('%s cannot stand on its own', (text) => {
  expect(() => parseLiteral(text)).toThrow(SyntaxError);
});

test('old sloppy code is read too', () => {
  expect([...parseLiteral('function (a) { with (a) { return b + 010; } }').analysis.free.keys()]).toEqual(['b']);
});
