import { type ModuleDeclaration, type Node, type Pattern, parse, type Statement } from 'acorn';

/** An input as a script that keeps its declarations beyond itself. */
export interface Rewritten {
  /** Names that it declares at its top level: they become variables of the shell, which any input may declare again. */
  readonly names: readonly string[];
  /**
   * A script whose value is a promise of the input's end. It tells the value of each expression statement to `$sheaf.show`.
   * Every statement stays on its line.
   */
  readonly script: string;
}

/**
 * Rewrites the statements of a JavaScript module, with top-level await and imports, into an async function. Pure.
 * Declarations become assignments; a `var` inside a block is local to its input.
 * @throws SyntaxError
 */
export function rewrite(code: string): Rewritten {
  const { body } = parse(code, { sourceType: 'module', ecmaVersion: 'latest' });
  const names = new Set<string>();
  const functions: string[] = [];
  const edits = body.map((statement) => {
    const edit = edited(statement, { code, names, functions });
    return { start: statement.start, end: statement.end, text: edit };
  });
  let text = '';
  let at = 0;
  for (const { start, end, text: edit } of edits) {
    text += code.slice(at, start) + edit;
    at = end;
  }
  text += code.slice(at);
  // A function's own name hides the shell's variable within its input, so the setters stand outside.
  const setters = functions.map((name) => `${name}: ($value) => { ${name} = $value; }`).join(', ');
  const hoisted = functions.map((name) => `$set.${name}(${name});`).join(' ');
  return { names: [...names], script: `(($set) => (async () => { ${hoisted}${text}\n})())({ ${setters} })` };
}

interface Rewriting {
  readonly code: string;
  readonly names: Set<string>;
  readonly functions: string[];
}

function edited(statement: Statement | ModuleDeclaration, rewriting: Rewriting): string {
  const { code, names, functions } = rewriting;
  const source = ({ start, end }: Node) => code.slice(start, end);
  switch (statement.type) {
    case 'ExpressionStatement':
      return `$sheaf.show((${source(statement.expression)}));`;
    case 'VariableDeclaration': {
      const assignments = statement.declarations.map(({ id, init }) => {
        for (const name of boundNames(id)) names.add(name);
        return `(${source(id)} = ${init ? source(init) : 'undefined'})`;
      });
      return `${assignments.join(', ')};`;
    }
    case 'FunctionDeclaration':
      names.add(statement.id.name);
      functions.push(statement.id.name);
      return source(statement);
    case 'ClassDeclaration':
      names.add(statement.id.name);
      return `(${statement.id.name} = ${source(statement)});`;
    case 'ImportDeclaration':
      return imported(statement, rewriting);
    case 'ExportNamedDeclaration':
      if (!statement.declaration) throw new SyntaxError('export has no meaning in the shell');
      return edited(statement.declaration, rewriting);
    case 'ExportDefaultDeclaration':
    case 'ExportAllDeclaration':
      throw new SyntaxError('export has no meaning in the shell');
    default:
      return source(statement);
  }
}

function imported(
  { source, specifiers, attributes = [] }: Extract<ModuleDeclaration, { type: 'ImportDeclaration' }>,
  { code, names }: Rewriting,
): string {
  const given = attributes.map(({ start, end }) => code.slice(start, end)).join(', ');
  const module = `await $sheaf.import(${JSON.stringify(source.value)}${given === '' ? '' : `, { with: { ${given} } }`})`;
  const targets = specifiers.map((specifier) => {
    names.add(specifier.local.name);
    if (specifier.type === 'ImportNamespaceSpecifier') return `(${specifier.local.name} = $module)`;
    const name = specifier.type === 'ImportDefaultSpecifier' ? 'default' : exportName(specifier.imported);
    return `(${specifier.local.name} = $sheaf.member($module, ${JSON.stringify(name)}, ${JSON.stringify(source.value)}))`;
  });
  return `{ const $module = ${module}; ${targets.join(', ')}; }`;
}

const exportName = (name: { type: 'Identifier'; name: string } | { type: 'Literal'; value?: unknown }) =>
  name.type === 'Identifier' ? name.name : String(name.value);

/** The names that a pattern declares. */
function boundNames(pattern: Pattern): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        boundNames(property.type === 'RestElement' ? property.argument : property.value),
      );
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) => (element ? boundNames(element) : []));
    case 'RestElement':
      return boundNames(pattern.argument);
    case 'AssignmentPattern':
      return boundNames(pattern.left);
    case 'MemberExpression':
      return [];
  }
}
