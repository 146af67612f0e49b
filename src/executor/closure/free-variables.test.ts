import { describe, expect, test } from 'vitest';
import { analyse } from './free-variables.js';
import { parseTolerantly } from './script.js';

const analysed = (text: string) =>
  analyse(parseTolerantly(`({$(){return(${text})}})`).body[0].expression.properties[0].value.body.body[0].argument);
const free = (text: string): string[] => [...analysed(text).free.keys()].sort();

describe('free names', () => {
  test.each<[text: string, names: string[]]>([
    ['x => x + y', ['y']],
    ['(x, { a, b: [c], ...d }, e = f) => x + a + b + c + d + e', ['b', 'f']],
    ['({ [k]: v = w }) => v', ['k', 'w']],
    ['() => { const a = 1; { let b = a; } return b; }', ['b']],
    ['() => { { var a = 1; } return a; }', []],
    ['() => { f(); function f() { return g; } }', ['g']],
    ['() => { if (1) { function f() {} } f(); }', []],
    ['function f() { return f; }', []],
    ['() => { const g = function h() { return h; }; return h; }', ['h']],
    ['() => { try { a } catch ({ b, c = d }) { b + c } }', ['a', 'd']],
    [
      '() => { for (const i of list) i; for (let j = 0; j < n; j++); for (const k in o) k; return i; }',
      ['i', 'list', 'n', 'o'],
    ],
    ['() => { for (i of list); }', ['i', 'list']],
    ['() => { switch (a) { case b: let c = 1; return c; } }', ['a', 'b']],
    ['() => { outer: for (;;) { break outer; } }', []],
    ['() => ({ a, b: c, [d]: e, f() { return g; }, get h() { return i; } })', ['a', 'c', 'd', 'e', 'g', 'i']],
    ['o => o.a.b?.c[d]', ['d']],
    [
      'class A extends B { x = y; static z = w; [k]() { return A; } #p = q; static { r; } }',
      ['B', 'k', 'q', 'r', 'w', 'y'],
    ],
    ['() => { class A {} return new A(); }', []],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is JavaScript to be analysed
    ['() => `${a}` + b`c${d}`', ['a', 'b', 'd']],
    ['() => ({ a, ...b } = c)', ['a', 'b', 'c']],
    ['async () => { for await (const x of xs) yield_(x); }', ['xs', 'yield_']],
    ['() => typeof a', ['a']],
    ['function () { return arguments.length; }', []],
    ['() => import("x").then(y)', ['y']],
  ])('%s', (text, names) => {
    expect(free(text)).toEqual(names);
  });

  test('which are assigned', () => {
    const { free } = analysed('() => { a = 1; b++; [c, { d }] = e; ({ f: g.h } = i); for (j of k); l += m; }');
    expect([...free].filter(([, use]) => use.assigned).map(([name]) => name)).toEqual(['a', 'b', 'c', 'd', 'j', 'l']);
  });

  test('of which only members are read', () => {
    const { free } = analysed('() => a.x + a.y() + b.z + b[c]');
    expect(free.get('a')!.members).toEqual(new Set(['x', 'y']));
    expect(free.get('b')!.members).toBeUndefined();
  });
});

describe('what belongs to the code around', () => {
  test.each<[text: string, taken: string[]]>([
    ['() => this.x', ['this']],
    ['() => () => [this, arguments, super.m()]', ['this', 'arguments', 'super']],
    ['function () { return () => [this, arguments]; }', []],
    ['() => new.target', ['new.target']],
    ['() => ({ m() { return this; }, n: this })', ['this']],
    ['() => class { a = this; m() { return super.m(); } static { this.b = 1; } }', []],
    ['() => class extends this.Base { [this.key]() {} }', ['this']],
  ])('%s', (text, taken) => {
    expect([...analysed(text).outer.keys()]).toEqual(taken);
  });

  test('a private name of a class outside', () => {
    expect(analysed('o => o.#x').privateName).toBe('x');
    expect(analysed('o => #x in o').privateName).toBe('x');
    expect(analysed('() => class { #x = 1; m() { return this.#x; } }').privateName).toBeUndefined();
  });
});
