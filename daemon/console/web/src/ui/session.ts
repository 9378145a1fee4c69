// Who is here and what they may do. nudged decides; the console only leaves out what would be refused.
import { createContext, useContext } from 'react';
import type { Role, Session } from '../api/types';

export const SessionContext = createContext<Session>({ actor: '', roles: [], csrf: null });
export const useSession = (): Session => useContext(SessionContext);

export function may(session: Session, ...roles: Role[]): boolean {
  return session.roles.includes('admin') || roles.some((role) => session.roles.includes(role));
}
/** True until the first account exists: nudged asks nobody who they are. */
export const open = (session: Session): boolean => session.actor === 'anybody';
/** Who is here, as teams and tasks call them. */
export const personOf = (session: Session): string => session.actor.replace(/^user:/, '');
