import { diffLines } from 'diff';

/** What changed between two texts, line by line. */
export default function Diff({ before, after }: { before: string; after: string }) {
  return (
    <pre className="code" tabIndex={0}>
      {diffLines(before, after).map((part, at) => {
        const look = part.added ? 'diff-added' : part.removed ? 'diff-removed' : undefined;
        const sign = part.added ? '+ ' : part.removed ? '− ' : '  ';
        return (
          <span key={at} className={look}>
            {part.value
              .replace(/\n$/, '')
              .split('\n')
              .map((line) => `${sign}${line}\n`)
              .join('')}
          </span>
        );
      })}
    </pre>
  );
}
