import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackendError } from '../../../src/backends/backend.ts';
import { externalIdOfChange, parseObsHook } from '../../../src/backends/obs/hook.ts';
import { describe as describeMark, type Mark, parseMark } from '../../../src/backends/obs/mark.ts';
import { changedMeta, newProject } from '../../../src/backends/obs/meta.ts';
import { externalIdOf, parseExternalId } from '../../../src/backends/obs/names.ts';
import {
  meaningOf,
  parseDirectory,
  parseJobHistory,
  parseMeta,
  parseResultList,
} from '../../../src/backends/obs/schema.ts';
import { filesOf, loadTemplate, packagesFor } from '../../../src/backends/obs/template.ts';
import { parseXml, textOf, XmlError, xml } from '../../../src/backends/obs/xml.ts';

const mark: Mark = { version: 1, key: 'k-1', runId: 'r', madeAt: '2026-11-20T10:00:00.000Z', rebuilds: [] };

describe('XML', () => {
  test('digits, versions and entities stay text', () => {
    const root = parseXml(
      '<?xml version="1.0"?>\n<r a="00012" b=\'1.10\'><s>123e45</s><t>a &lt;&amp;&#65;&#x42; b</t><!-- x --><u/></r>\n',
    );
    assert.deepEqual(
      [...root.attributes],
      [
        ['a', '00012'],
        ['b', '1.10'],
      ],
    );
    assert.deepEqual([textOf(root, 's'), textOf(root, 't'), textOf(root, 'u')], ['123e45', 'a <&AB b', undefined]);
  });

  for (const wrong of [
    '',
    'hello',
    '<a>',
    '<a></b>',
    '</a>',
    '<a/><b/>',
    '<a b=c/>',
    '<a>x</a>y',
    '<!DOCTYPE x><a/>',
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    '<a b="1" b="2"/>',
    '<a __proto__="x"/>',
    '<a',
  ])
    test(`refused: ${wrong}`, () => assert.throws(() => parseXml(wrong), XmlError));

  test('characters of CDATA are what they are; many entities are no attack', () => {
    assert.equal(parseXml('<a>&amp;<![CDATA[&amp;<]]>x</a>').text, '&&amp;<x');
    assert.equal(parseXml(`<a>${'&lt;'.repeat(5_000)}</a>`).text.length, 5_000);
    assert.throws(() => parseXml(`${'<a>'.repeat(100)}${'</a>'.repeat(100)}`), XmlError);
    assert.throws(() => parseXml(`<a>${'x'.repeat(17 * 2 ** 20)}</a>`), /longer than/);
  });

  test('whatever is written is read back, and whatever is read ends', () => {
    const words = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\u0000-\u001f\ufffe\uffff]/g, ''));
    fc.assert(
      fc.property(words, words, (value, text) => {
        const root = parseXml(xml('a', { value }, [xml('b', {}, [text])]).xml);
        return root.attributes.get('value') === value && (root.children[0]?.text ?? '') === text;
      }),
    );
    const pieces = fc.array(
      fc.constantFrom('<a>', '</a>', '<b x="1">', '</b>', '<!--', '-->', '&amp;', '<', '>', '"', ' ', 'x'),
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseXml(parts.join(''));
        } catch (error) {
          return error instanceof XmlError;
        }
        return true;
      }),
    );
  });

  test('a large answer takes no long time', () => {
    const row = '<status package="p" code="succeeded"><details>x</details></status>';
    const text = `<resultlist state="s"><result repository="r" arch="a" code="c" state="c">${row.repeat(20_000)}</result></resultlist>`;
    const begun = performance.now();
    parseResultList(text);
    for (const bad of [
      '<a '.repeat(50_000),
      '<!--'.repeat(50_000),
      `<a ${'x="1" '.repeat(50_000)}`,
      '<a>'.repeat(50_000),
    ]) {
      assert.throws(() => parseXml(bad), XmlError);
    }
    assert.ok(performance.now() - begun < 5_000);
  });
});

describe('answers', () => {
  test('an empty list, one, and many', () => {
    assert.deepEqual(parseDirectory('<directory/>').entries, []);
    assert.equal(parseDirectory('<directory srcmd5="1"><entry name="a" md5="2"/></directory>').entries.length, 1);
    assert.deepEqual(parseJobHistory('<jobhistlist/>'), []);
    const state = '0'.repeat(32);
    assert.deepEqual(parseResultList(`<resultlist state="${state}"/>`), { state, results: [] });
  });

  for (const wrong of ['<status code="404"/>', '<jobhistlist><jobhist package="p"/></jobhistlist>', 'x'])
    test(`what is not understood says so: ${wrong}`, () =>
      assert.throws(
        () => parseJobHistory(wrong),
        (error: BackendError) => error.kind === 'unparsable' && error.retry,
      ));

  test('no word but two means that a job ended', () => {
    const words = fc.string().filter((word) => word !== 'succeeded' && word !== 'failed');
    fc.assert(fc.property(words, (word) => meaningOf(word) !== 'built'));
    assert.equal(meaningOf('constructor'), 'strange');
  });
});

describe('what RCB writes down', () => {
  test('a mark survives the way through a description', () => {
    assert.deepEqual(parseMark(describeMark(mark)), mark);
    assert.equal(parseMark('A project by hand'), undefined);
    assert.equal(parseMark('rcb: {"version":2}'), undefined);
    assert.equal(parseMark('rcb: {nonsense}'), undefined);
  });

  test('what the server, or somebody, added to _meta stays', () => {
    const text = newProject('p', 'rcb', mark).replace(
      '</project>',
      '<repository name="old"><arch>x</arch></repository></project>',
    );
    const meta = parseMeta(text.replace('<publish>', '<person userid="else" role="reader"/><publish>'), 'project');
    const repositories = [{ name: 'new', paths: [{ project: 'B', repository: 's' }], architectures: ['x86_64'] }];
    const changed = changedMeta(meta, { repositories, enabled: false, mark: { ...mark, key: 'k & 2' } });
    assert.match(
      changed,
      /<person userid="else" role="reader"\/><build><disable\/><\/build><publish><disable\/><\/publish>/,
    );
    assert.match(
      changed,
      /<repository name="new"><path project="B" repository="s"\/><arch>x86_64<\/arch><\/repository><\/project>$/,
    );
    assert.doesNotMatch(changed, /old/);
    const back = parseMeta(changed, 'project');
    assert.doesNotMatch(changedMeta(back, { enabled: true }), /<build>/);
    assert.equal(parseMark(textOf(back, 'description') ?? '')?.key, 'k & 2');
  });

  test('ids name what they were made from, and nothing else is one', () => {
    for (const mode of ['project-per-run', 'standing'] as const) {
      for (const key of ['b01-1', 'Ünusual key', 'x'.repeat(500)]) {
        const id = externalIdOf(key, 'home:rcb', mode);
        assert.ok(parseExternalId(id, 'home:rcb', mode), id);
        assert.equal(parseExternalId(id, 'home:other', mode), undefined);
      }
      for (const id of [
        'home:rcb',
        'home:rcb:RCB:run-',
        'home:rcb:RCB:run-a/../x',
        'home:rcb/',
        'home:rcb/-r12',
        'openSUSE:Factory',
        '',
      ]) {
        assert.equal(parseExternalId(id, 'home:rcb', mode), undefined, id);
      }
    }
  });
});

describe('a template', () => {
  const source = (repository: string) => ({
    repository,
    changed: true,
    sha: 'abcdef0123456789',
    sha256: '12',
    size: 3,
  });

  test("Raku's is whole, and its packages build on one another", async () => {
    const template = await loadTemplate(join(import.meta.dirname, '../../../obs'));
    assert.deepEqual(
      template.packages.map(({ name }) => name),
      ['moarvm', 'nqp-moarvm', 'rakudo-moarvm'],
    );
    const sources = ['MoarVM/MoarVM', 'Raku/nqp', 'rakudo/rakudo'].map(source);
    const order = { key: 'k', runId: 'r', repository: 'Raku/nqp', sources, untrusted: false };
    assert.equal(packagesFor(template, order).length, 3);
    assert.deepEqual(packagesFor(template, { sources: sources.slice(1) }), [], 'without MoarVM nothing can be built');
    const [archive, recipe] = filesOf(template.packages[1]!, order, '-r1');
    assert.equal(archive?.name, 'nqp-abcdef0123.tar.gz');
    assert.ok(recipe?.kind === 'text');
    assert.match(recipe.text, /^Name: +nqp-moarvm-r1\nVersion: +0\+git\.abcdef0123$/m);
    assert.match(recipe.text, /^BuildRequires: +moarvm-r1$/m);
    assert.doesNotMatch(recipe.text, /\{\{/);
  });

  const files = { 'template.yaml': 'packages: [{ name: a, sources: [o/n] }]', 'a/a.spec': 'Name: {{ package a }}' };
  for (const [what, change, expected] of [
    [
      'a word that nothing stands for',
      { 'a/a.spec': '{{ version o/other }}' },
      /a\/a\.spec says \{\{ version o\/other \}\}/,
    ],
    ['a package of no template', { 'a/a.spec': '{{ package b }}' }, /nothing stands for/],
    [
      'a need that is no package',
      { 'template.yaml': 'packages: [{ name: a, sources: [o/n], needs: [b] }]' },
      /a needs b/,
    ],
    ['an unknown key', { 'template.yaml': 'packages: [{ name: a, sources: [o/n], source: x }]' }, /source/],
    ['no YAML', { 'template.yaml': 'packages: [' }, /template\.yaml/],
  ] as const) {
    test(`is refused with the reason: ${what}`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rcb-obs-template-'));
      try {
        await mkdir(join(directory, 'a'));
        for (const [name, text] of Object.entries({ ...files, ...change }))
          await writeFile(join(directory, name), text);
        await assert.rejects(loadTemplate(directory), (error: BackendError) => {
          assert.match(error.message, expected);
          return error.kind === 'misconfigured';
        });
      } finally {
        await rm(directory, { recursive: true });
      }
    });
  }

  test('is refused where it is not there', async () => {
    await assert.rejects(loadTemplate('/nonexistent'), /cannot be read \(ENOENT\)/);
  });
});

describe('hooks', () => {
  const secret = 'a long secret';
  const tell = (payload: unknown, key = secret) => {
    const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
    return parseObsHook(body, `sha256=${createHmac('sha256', key).update(body).digest('hex')}`, secret);
  };
  const success = {
    event: 'opensuse.obs.package.build_success',
    project: 'home:rcb:RCB:run-1',
    package: 'moarvm',
    repository: 'r',
    arch: 'x86_64',
    srcmd5: 'a'.repeat(32),
    bcnt: '1',
  };

  test("the bus's payloads tell which project may have changed", () => {
    const { bcnt: _, ...known } = success;
    assert.deepEqual(tell(success), { ok: true, changed: [known] });
    const repo = { event: 'repo.publish_state', project: 'p', repo: 'standard', arch: 'x86_64', state: 'published' };
    assert.deepEqual(tell([repo, { event: 'package.commit', project: 'p' }, { event: 'request.create' }]), {
      ok: true,
      changed: [{ event: 'repo.publish_state', project: 'p', repository: 'standard', arch: 'x86_64' }],
    });
  });

  test('a wrong signature, and nonsense under a right one, are refused', () => {
    assert.equal((tell(success, 'another') as { status: number }).status, 401);
    assert.equal((parseObsHook(Buffer.from('{}'), undefined, secret) as { status: number }).status, 401);
    for (const nonsense of ['', '[', '7', '{}', { event: 1 }, { event: 'package.build_fail', project: '../x' }]) {
      assert.equal((tell(nonsense) as { status?: number }).status, 400, JSON.stringify(nonsense));
    }
    fc.assert(fc.property(fc.json(), (text) => typeof tell(text).ok === 'boolean'));
  });

  test('a hint finds its build, in either mode', () => {
    const own = { project: 'home:rcb', mode: 'project-per-run' } as const;
    assert.equal(externalIdOfChange(success, own), 'home:rcb:RCB:run-1');
    assert.equal(externalIdOfChange({ event: 'x', project: 'openSUSE:Factory' }, own), undefined);
    const standing = { project: 'home:rcb', mode: 'standing' } as const;
    const packaged = { event: 'x', project: 'home:rcb', package: 'moarvm-r0123456789abcdef:flavor' };
    assert.equal(externalIdOfChange(packaged, standing), 'home:rcb/-r0123456789abcdef');
    assert.equal(externalIdOfChange({ ...packaged, package: 'theirs' }, standing), undefined);
  });
});
