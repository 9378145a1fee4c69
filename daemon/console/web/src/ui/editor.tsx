// The editor of YAML: CodeMirror in a shadow root, where it may bring its styles as a constructed sheet without loosening the page's policy.
import { autocompletion, completionKeymap, type CompletionContext } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, defaultHighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';
import { useEffect, useRef } from 'react';

export interface Mistake {
  line: number;
  column: number;
  length?: number;
  severity: 'error' | 'warning' | 'info';
  message: string;
}
interface Props {
  text: string;
  readOnly?: boolean;
  mistakes?: Mistake[];
  words?: string[];
  label: string;
  change?: (text: string) => void;
}

function diagnosticsOf(state: EditorState, mistakes: Mistake[]): Diagnostic[] {
  return mistakes.map(({ line, column, length, severity, message }) => {
    const at = state.doc.line(Math.min(Math.max(1, line), state.doc.lines));
    const from = Math.min(at.from + Math.max(0, column - 1), at.to);
    return { from, to: Math.min(from + (length ?? 1), at.to), severity, message };
  });
}

export default function Editor({ text, readOnly, mistakes, words, label, change }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef({ change, words });
  latest.current = { change, words };
  useEffect(() => {
    const host = place.current!;
    const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
    const complete = (context: CompletionContext) => {
      const word = context.matchBefore(/[\w-]+/);
      if (!word && !context.explicit) return null;
      return { from: word?.from ?? context.pos, options: (latest.current.words ?? []).map((label) => ({ label })) };
    };
    const made = new EditorView({
      parent: root as unknown as Element,
      root,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          history(),
          bracketMatching(),
          syntaxHighlighting(defaultHighlightStyle),
          yaml(),
          lintGutter(),
          autocompletion({ override: [complete] }),
          keymap.of([...defaultKeymap, ...historyKeymap, ...completionKeymap]),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          EditorView.theme({ '&': { fontSize: '13px', border: '1px solid #dfe4ea', borderRadius: '6px', background: '#fff' }, '.cm-content': { fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace' }, '.cm-gutters': { color: '#5b6472' } }),
          EditorState.readOnly.of(readOnly ?? false),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.change?.(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
    // A new text is a new document; the editor keeps its own from then on.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [readOnly, label]);
  useEffect(() => {
    const now = view.current;
    if (now && now.state.doc.toString() !== text) now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: text } });
  }, [text]);
  useEffect(() => {
    const now = view.current;
    if (now) now.dispatch(setDiagnostics(now.state, diagnosticsOf(now.state, mistakes ?? [])));
  }, [mistakes]);
  return <div ref={place} />;
}
