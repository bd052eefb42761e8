-- A role that owns nothing, for the web server and the worker: whoever gets hold of it can write rows
-- as Kvitt does, and can switch no guard off, drop nothing and empty no table. Run it as a superuser
-- in Kvitt's database, before or after the first `migrate`; running it again changes nothing.
--
--   kvitt_owner  owns the tables: DATABASE_URL of `manage.py migrate`, and of nothing else
--   kvitt        works: DATABASE_URL of the web server, the worker and all other commands
--
-- Where kvitt has owned the tables until now, first: REASSIGN OWNED BY kvitt TO kvitt_owner;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kvitt_owner') THEN
        CREATE ROLE kvitt_owner LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kvitt') THEN
        CREATE ROLE kvitt LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO kvitt_owner', current_database());
    -- Temporary tables are made to read objects as they were at an event.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO kvitt', current_database());
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO kvitt_owner;
GRANT USAGE ON SCHEMA public TO kvitt;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO kvitt;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO kvitt;
-- What later migrations make is granted as they make it.
ALTER DEFAULT PRIVILEGES FOR ROLE kvitt_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kvitt;
ALTER DEFAULT PRIVILEGES FOR ROLE kvitt_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO kvitt;
