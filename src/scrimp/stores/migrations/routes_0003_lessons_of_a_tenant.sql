-- The oldest lessons of the tenant that has most make room for others.
CREATE INDEX lessons_of_a_tenant ON lessons (tenant, number);
