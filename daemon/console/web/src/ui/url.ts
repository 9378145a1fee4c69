// The state of a view lives in its address, so that a view can be shared, kept and gone back to.
import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'wouter';

export function useUrlState(): [Record<string, string>, (change: Record<string, string | undefined>) => void] {
  const [params, setParams] = useSearchParams();
  const state = useMemo(() => Object.fromEntries(params.entries()), [params]);
  const change = useCallback(
    (values: Record<string, string | undefined>) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries(values)) {
            if (value) next.set(name, value);
            else next.delete(name);
          }
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  return [state, change];
}
