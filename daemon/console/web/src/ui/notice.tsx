// Short words at the top of the screen, and questions before a change. In a file of its own, so that the first view brings neither dialogs
// nor notifications along.
import { message } from 'antd';
import { createContext, useContext, type ReactNode } from 'react';

type Notice = ReturnType<typeof message.useMessage>[0];
const Context = createContext<Notice | null>(null);

export function Notices({ children }: { children: ReactNode }) {
  const [api, holder] = message.useMessage();
  return (
    <Context.Provider value={api}>
      {holder}
      {children}
    </Context.Provider>
  );
}

export function useNotice(): Notice {
  const api = useContext(Context);
  if (!api) throw new Error('useNotice outside of Notices');
  return api;
}
