import { describe, expect, it } from 'vitest';
import { rewrite } from './shell-rewrite.js';

const namesOf = (code: string) => rewrite(code).names;
/** The statements without what stands around them. */
const body = (code: string) => /=> \{ ?(.*)\n\}\)\(\)\)/s.exec(rewrite(code).script)![1]!.trim();

describe('an input of the shell', () => {
  it('becomes assignments to variables that stay', () => {
    expect(body('const a = 1, b = await f();')).toBe('(a = 1), (b = await f());');
    expect(body('let x;')).toBe('(x = undefined);');
    expect(body('class A extends B {}')).toBe('(A = class A extends B {});');
    expect(namesOf('const { a, b: [c, ...d], ...e } = f(), [g = 1, , { h }] = i; class J {} function k() {}')).toEqual([
      ...'acdegh',
      'J',
      'k',
    ]);
  });

  it('tells the values of its expressions', () => {
    expect(body('1 + 1; f()')).toBe('$sheaf.show((1 + 1)); $sheaf.show((f()));');
    expect(body('if (x) { y }')).toBe('if (x) { y }');
  });

  it('imports when it runs', () => {
    expect(body("import a, { b as c, 'd-e' as f } from 'm'")).toBe(
      '{ const $module = await $sheaf.import("m"); ' +
        '(a = $sheaf.member($module, "default", "m")), (c = $sheaf.member($module, "b", "m")), (f = $sheaf.member($module, "d-e", "m")); }',
    );
    expect(body("import * as n from './data.json' with { type: 'json' }")).toBe(
      `{ const $module = await $sheaf.import("./data.json", { with: { type: 'json' } }); (n = $module); }`,
    );
    expect(namesOf("import a, { b as c } from 'm'; import * as d from 'n'; import 'o'")).toEqual(['a', 'c', 'd']);
  });

  it('keeps every statement on its line', () => {
    const code = "import { a } from 'm';\n\nfunction f() {\n  return a;\n}\nconst g = f;\n\ng();";
    const lines = rewrite(code).script.split('\n');
    expect(lines.findIndex((line) => line.includes('show((g()))'))).toBe(7);
    expect(lines.findIndex((line) => line.includes('return a'))).toBe(3);
  });

  it('has no exports but those of what it declares', () => {
    expect(body('export const a = 1')).toBe('(a = 1);');
    expect(() => rewrite('export default 1')).toThrow('export has no meaning in the shell');
    expect(() => rewrite('a b')).toThrow(SyntaxError);
  });
});
