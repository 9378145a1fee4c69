// A change that wants a reason, asked for before it is made.
import { Input, Modal, Space } from 'antd';
import { createContext, useContext, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

type Ask = (title: string, change: (reason: string) => Promise<unknown>, words?: string) => void;
const Context = createContext<Ask>(() => {});
export const useReason = (): Ask => useContext(Context);

export default function Reasons({ children }: { children: ReactNode }) {
  const [modal, dialogs] = Modal.useModal();
  const { t } = useTranslation();
  const ask: Ask = (title, change, words) => {
    let reason = '';
    modal.confirm({
      title,
      content: (
        <Space orientation="vertical" style={{ width: '100%' }}>
          {words}
          <Input.TextArea aria-label={t('common.reason')} placeholder={t('common.reasonHint')} rows={2} onChange={(event) => (reason = event.target.value)} />
        </Space>
      ),
      okText: t('common.confirm'),
      cancelText: t('common.cancel'),
      onOk: () => change(reason),
    });
  };
  return (
    <Context.Provider value={ask}>
      {dialogs}
      {children}
    </Context.Provider>
  );
}
